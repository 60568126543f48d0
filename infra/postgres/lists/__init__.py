"""Lists and pages that people read: unmanaged and active conversations, one conversation, and the diagnostics of
`witiop doctor`. Nothing here changes a row."""
