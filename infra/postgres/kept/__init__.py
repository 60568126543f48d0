"""What people of the company keep about conversations for each other: notes, tags, saved lists, who looks at one."""
