"""The one kind of error that a user reads."""


class Failure(Exception):
    """Why a comparison cannot go on, in one line."""
