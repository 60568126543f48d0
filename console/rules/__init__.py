"""The page of rescue rules: the rules, their forms, the dry run, and what they did."""
