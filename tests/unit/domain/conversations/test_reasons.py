"""The codes of reasons in the database: new ones may be added, none may change."""

from domain.conversations.reasons import Reason


def test_the_stored_codes_of_reasons_never_change() -> None:
    assert ["bot_closed", "nobody_took_it", "reservation_expired", "out_of_hours"] == [
        Reason.of_code(code).value for code in range(1, 5)
    ]
    assert ["number_has_no_menu", "invalid_choice", "no_choice"] == [Reason.of_code(code).value for code in range(5, 8)]
    assert [Reason.UNREADABLE, Reason.TAKEN_NOT_ANSWERED] == [Reason.of_code(8), Reason.of_code(9)]
    assert list(range(1, len(Reason) + 1)) == sorted(reason.code for reason in Reason)
