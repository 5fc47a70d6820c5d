"""What goes wrong with a gradebook, in one line that says what to do."""


class GradebookError(Exception):
    """The gradebook cannot be opened, read or written. The message is one line, for whoever ran the command."""
