"""What the printer asks its user, as OctoPrint's bundled Action Command Prompt plugin shows it.

Source: OctoPrint's documentation, "Action Command Prompt", and what 1.11 and 2.0 send.
"""

from dataclasses import dataclass
from typing import Final, Self

from ..json_object import JsonObject

PLUGIN: Final = "action_command_prompt"
INTERACT: Final = "PLUGIN_ACTION_COMMAND_PROMPT_INTERACT"
"""The permission to see and to answer a prompt."""

MAX_PROMPT: Final = 255  # characters of a question of the printer
MAX_CHOICE: Final = 100  # characters of a choice
MAX_CHOICES: Final = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Prompt:
    """A question, and the answers to choose from. A prompt without choices only says something.

    OctoPrint is told the number of an answer, so all are in their places. One without a text shows its number from 1.
    """

    text: str | None
    choices: tuple[str, ...]

    @classmethod
    def from_json(cls, response: JsonObject) -> Self | None:
        """Read the plugin's response; None if nothing is asked."""
        text = response.text("text", MAX_PROMPT)
        texts = response.texts("choices", MAX_CHOICE, MAX_CHOICES)
        choices = tuple(choice or str(number) for number, choice in enumerate(texts, 1))
        return cls(text=text, choices=choices) if text or choices else None

    @classmethod
    def from_push(cls, message: JsonObject) -> Self | None:
        """Read a message of the plugin; None if it closes the prompt."""
        return cls.from_json(message) if message.exact("action") == "show" else None
