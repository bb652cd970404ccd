"""Answers what the printer asks its user."""

from collections.abc import Sequence

from .const import MAX_SHOWN
from .coordinator import PrinterCoordinator
from .exceptions import validation_error


async def async_answer(printer: PrinterCoordinator, choice: str) -> None:
    """Answer with a choice, which is given by its text or its number from 1.

    The prompt is read again, so that no other one than the user knows is answered. Raises ServiceValidationError if
    nothing is asked, if it is not the prompt that is shown, or if there is no such choice, and what
    `PrinterCoordinator.async_command` raises.
    """
    shown = printer.data.prompt if printer.data else None
    prompt = await printer.octoprint.prompt()
    if prompt is None:
        printer.async_expect_prompt()
        raise validation_error("nothing_asked")
    if shown not in (None, prompt):
        printer.async_expect_prompt()
        raise validation_error("another_prompt", prompt=prompt.text or "-")
    number = _number_of(choice.strip(), [known.strip() for known in prompt.choices])
    await printer.async_command(lambda octoprint, _: octoprint.answer_prompt(number))


def _number_of(choice: str, choices: Sequence[str]) -> int:
    for number, known in enumerate(choices):
        if choice.casefold() == known.casefold():
            return number
    for number in range(len(choices)):
        if choice == str(number + 1):
            return number
    raise validation_error("no_such_choice", choice=choice[:MAX_SHOWN], choices=", ".join(choices) or "-")
