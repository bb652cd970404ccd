"""Who carries requests to OctoPrint."""
