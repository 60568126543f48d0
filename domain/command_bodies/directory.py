"""The command that changes the directory (docs/design/directory.md)."""

from uuid import UUID

from domain.command_bodies.parts import CommandPart


class ChangeDirectory(CommandPart):
    """Replaces the directory with a draft that the console stored, unless the directory has changed since the version
    that the draft began with."""

    draft_id: UUID

    @property
    def conversation_id(self) -> None:
        """None: the command is about no conversation."""
