"""The words of all messages of the conversations that lists search: how they are filled, and how they are searched."""
