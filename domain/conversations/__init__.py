"""Conversations: how facts become evidence, how a conversation is classified, and its public events. Must not import
routing, mail bodies or the public contract.

`fold` holds the entry points and `fold_state` the steps of one fold. The rules are in rooms of their own: `placement`
finds or opens the conversation of a fact, `evidence` adds the fact to it, `ownership` decides who has it. `ends` and
`classification` say whether it is over and unmanaged, and why; `publication` and `events` say what is published."""
