"""The rows of a list, as HTML and as a spreadsheet, and the query that a list's address holds. No views here: those are
in `console.pages`."""
