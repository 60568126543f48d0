"""Meta's own checks of a message, with Meta's errors. Nothing in here changes the state of the stand-in."""
