"""What the pages about campaigns read besides the campaigns themselves."""
