"""The composition root: builds every process from the settings. No module here contains behaviour of its own."""
