"""The pages of this room."""

from console.kept.dialogs import dialog_pages
from console.kept.dismissals import dismissal_pages
from console.kept.notes import note_pages
from console.kept.saved import saved_pages
from console.kept.transcript import transcript_pages

KEPT_PAGES = (dismissal_pages, note_pages, saved_pages, dialog_pages, transcript_pages)
