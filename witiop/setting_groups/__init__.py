"""The settings by subject, and the types of their values. `witiop.settings` joins them into one class, and is the only
module that reads them."""
