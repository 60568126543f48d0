"""A directory file is read, and every problem of an invalid one is named."""

import os
import sys
from datetime import time, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.directory import Directory, Number, Opening, Skillset, User
from domain.directory_file.toml_lines import key_lines
from domain.rules.rule import RuleCondition, RuleMail, RuleTransfer
from witiop.directory_file import STANDARD_INPUT, DirectoryFileError, read_directory

COMPANY = """\
# The company of the documentation.
[[skillset]]
id = "sales"
name = "Sales"

[[skillset]]
id = "support"
name = "Support"

[[user]]
id = "anna"
name = "Anna Rossi"
email = "anna@example.com"
level = "agent"            # tenant_administrator, campaign_manager, agent
max_conversations = 3
skillsets = ["sales"]

[[number]]
phone_number_id = "106540352242922"
name = "Shop"
time_zone = "Europe/Rome"
softbot = false
hours = { mon = ["14:00-24:00", "09:00-13:00"], tue = ["09:00-18:00"], sun = [] }
menu = { "1" = "sales", "2" = "support" }

[[number]]
phone_number_id = "2"
"""

NUMBER = '[[skillset]]\nid = "sales"\nname = "Sales"\n[[number]]\nphone_number_id = "1"\n'
"""Five lines to which a test adds a sixth."""

USER = '[[user]]\nid = "anna"\nname = "Anna"\nemail = "anna@example.com"\nlevel = "agent"\nmax_conversations = 3\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "company.toml"


def problems(file: Path, text: str | bytes) -> list[str]:
    """Returns the problems of this text as `LINE: message`."""
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DirectoryFileError) as refused:
        read_directory(file)
    return [str(problem).removeprefix(f"{file}:") for problem in refused.value.problems]


def test_a_directory_file_becomes_the_directory(file: Path) -> None:
    file.write_text(COMPANY)
    mornings = (Opening(time(9), time(13)), Opening(time(14), time.max))
    shop = Number(
        "106540352242922",
        "Shop",
        "Europe/Rome",
        hours={"mon": mornings, "tue": (Opening(time(9), time(18)),)},
        menu={"1": "sales", "2": "support"},
    )
    expected = Directory(
        {"106540352242922": shop, "2": Number("2")},
        {"sales": Skillset("sales", "Sales"), "support": Skillset("support", "Support")},
        {"anna": User("anna", "Anna Rossi", "anna@example.com", "agent", 3, ("sales",))},
    )
    assert expected == read_directory(file)


@pytest.mark.parametrize("text", ["\ufeff" + COMPANY, COMPANY.replace("\n", "\r\n")])
def test_byte_order_marks_and_other_line_ends_are_accepted(file: Path, text: str) -> None:
    file.write_bytes(text.encode())
    assert len(read_directory(file).numbers) == 2


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('menus = { "1" = "sales" }', "menus: unknown key; did you mean menu?"),
        (
            "colour = 1",
            "colour: unknown key; use one of phone_number_id, name, time_zone, softbot, hours, menu, language, "
            "synonyms, texts, stop_words, start_words, retention",
        ),
        ('texts = { it = { greting = "Ciao" } }', "texts.it.greting: unknown key; did you mean greeting?"),
        ("texts = { de = {} }", "texts.de: unknown key; use one of en, it"),
        (
            'texts = { it = { greeting = " " } }',
            "texts.it.greeting: empty, too long or not printable; use 1 to 1000 characters",
        ),
        (
            "texts = { it = { greeting = 5 } }",
            'texts.it.greeting: must be a text; write it like greeting = "Welcome! {menu}"',
        ),
        (
            'texts = { it = { greeting = "{menu}" } }',
            "texts.it.greeting: the number has no menu; add one, or leave {menu} out",
        ),
        ('softbot = "no"', "softbot: must be true or false, without quotes; write it like softbot = false"),
        ("name = 5", 'name: must be a string; write it like name = "Shop"'),
        (r'name = "a\u0007b"', "name: too long or not printable; use at most 200 characters on one line"),
        ('menu = ["sales"]', 'menu: must be a table of choices and skillsets; write it like menu = { "1" = "sales" }'),
        (
            'menu = { "1" = "sale" }',
            'menu.1: there is no skillset "sale"; add it as a [[skillset]], or did you mean sales?',
        ),
        (
            'menu = { "1" = "sales", "1)" = "sales" }',
            'menu: "1)" and "1" are the same choice; keep one of them',
        ),
        ('menu = { " " = "sales" }', 'menu: customers cannot choose " "; use 1 to 100 letters or digits'),
        ('time_zone = "Europe/Roma"', 'time_zone: there is no time zone "Europe/Roma"; did you mean "Europe/Rome"?'),
        ('time_zone = "../etc"', 'time_zone: there is no time zone "../etc"; use a name like "Europe/Rome"'),
        ('language = "fr"', 'language: must be one of en, it; write it like language = "it"'),
        ("hours = {}", "hours: there are none; leave hours out for a number that is always open"),
        ('hours = { monday = ["09:00-18:00"] }', "hours.monday: unknown key; did you mean mon?"),
        (
            'hours = { mon = "09:00-18:00" }',
            'hours.mon: must be a list of hours; write it like mon = ["09:00-13:00", "14:00-18:00"]',
        ),
        ('hours = { mon = ["9-18"] }', 'hours.mon: "9-18" are not hours; write them like "09:00-13:00"'),
        ("hours = { mon = [9] }", 'hours.mon: 9 are not hours; write them like "09:00-13:00"'),
        (
            'hours = { mon = ["09:00-13:00", "12:00-24:00"] }',
            'hours.mon: "09:00-13:00" and "12:00-24:00" overlap; merge or separate them',
        ),
        (
            'hours = { mon = ["22:00-02:00"] }',
            'hours.mon: "22:00-02:00" crosses midnight; split it: "22:00-24:00" here and "00:00-02:00" on the next day',
        ),
        (
            'hours = { mon = ["09:00-24:01"] }',
            'hours.mon: "09:00-24:01" is outside the day; use times from 00:00 to 24:00',
        ),
        (
            'hours = { mon = ["09:00-09:00"] }',
            'hours.mon: "09:00-09:00" is empty; write "00:00-24:00" for the whole day',
        ),
    ],
)
def test_an_invalid_line_of_a_number_is_named_with_its_fix(file: Path, line: str, message: str) -> None:
    assert [f"6: {message}"] == problems(file, NUMBER + line + "\n")


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ('id = "anna"', 'id = "anna rossi"', '2: id: "anna rossi" is not an id; use 1 to 64 characters and no spaces'),
        ('name = "Anna"\n', "", '1: name: missing; write name = "Anna Rossi"'),
        (
            '"anna@example.com"',
            '"anna@example"',
            '4: email: "anna@example" is not an email address; write it like "anna@example.com"',
        ),
        (
            '"anna@example.com"',
            r'"anna@example.com\nBcc: eve@x.org"',
            r'4: email: "anna@example.com\nBcc: eve@x.org" is not an email address; write it like "anna@example.com"',
        ),
        (
            '"agent"',
            '"boss"',
            "5: level: must be one of tenant_administrator, read_only, campaign_manager, supervisor, agent; "
            'write it like level = "agent"',
        ),
        (
            "= 3",
            "= -1",
            "6: max_conversations: must be a whole number from 0 to 1000; write it like max_conversations = 3",
        ),
        (
            "= 3",
            "= true",
            "6: max_conversations: must be a whole number from 0 to 1000; write it like max_conversations = 3",
        ),
        ("= 3", '= 3\nskillsets = ["x"]', '7: skillsets: there is no skillset "x"; add it as a [[skillset]]'),
        (
            "= 3",
            '= 3\nskillsets = "x"',
            '7: skillsets: must be a list of skillset ids; write it like skillsets = ["sales"]',
        ),
    ],
)
def test_an_invalid_line_of_a_user_is_named_with_its_fix(file: Path, right: str, wrong: str, message: str) -> None:
    assert [message] == problems(file, USER.replace(right, wrong))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '[[number]]\nphone_number_id = "+39 333"\n',
            '2: phone_number_id: "+39 333" is not a phone number id; use the "Phone number ID" '
            "(digits) that Meta shows",
        ),
        (
            '[[number]]\nphone_number_id = "1"\n\n[[number]]\nphone_number_id = "1"\n',
            '5: phone_number_id: "1" is already defined in line 2; keep only one [[number]] of it',
        ),
        (USER + USER, '8: id: "anna" is already defined in line 2; keep only one [[user]] of it'),
        (
            NUMBER + 'menu = { "1" = "sales" }\nmenu = { "2" = "sales" }\n',
            "7: not TOML: cannot overwrite a value; it is defined twice, keep one",
        ),
        ("[[number]\n", "1: not TOML: expected ']]' at the end of an array declaration; correct the line at column 9"),
        ('[[number]]\nname = """', "2: not TOML: unterminated string; correct the line"),
        ("[numbers]\n", "1: numbers: unknown; did you mean number?"),
        ('[number]\nphone_number_id = "1"\n', "1: number: not a list of tables; write [[number]] above each number"),
        ("", " the file is empty; add at least a [[number]], a [[skillset]] or a [[user]]"),
        (b'# ok\nname = "\xff"\n', "2: not UTF-8; save the file as UTF-8"),
    ],
)
def test_an_invalid_file_is_refused_with_its_fix(file: Path, text: str | bytes, message: str) -> None:
    assert [message] == problems(file, text)


@pytest.mark.parametrize("text", ["x = " + "[" * 5000, "x = " + "9" * 5000])
def test_a_file_that_exceeds_the_limits_of_the_parser_is_refused(file: Path, text: str) -> None:
    [problem] = problems(file, text)
    assert problem.startswith(" not TOML: ")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "missing.toml"
    with pytest.raises(DirectoryFileError) as refused:
        read_directory(missing)
    assert str(refused.value) == f"{missing}: cannot be read (No such file or directory); check the path"


def test_all_problems_are_reported_at_once_in_the_order_of_the_lines(file: Path) -> None:
    text = COMPANY.replace('name = "Sales"\n', "").replace("= 3", "= 3.5").replace('"support" }', '"suport" }')
    expected = [
        '2: name: missing; write name = "Sales"',
        "14: max_conversations: must be a whole number from 0 to 1000; write it like max_conversations = 3",
        '23: menu.2: there is no skillset "suport"; add it as a [[skillset]], or did you mean support?',
    ]
    assert expected == problems(file, text)


def test_keys_are_found_after_multiline_strings_and_lists() -> None:
    line_of = key_lines(
        "\n".join(
            [
                "# [a]",
                'a = """',
                "[[b]]",
                'x = 1"""',
                "[[b]]",
                "[[b]]  # the second",
                "list = [",
                "  { x = 1 },",
                "]",
                "[b.c]",
                '"quoted.key" = 1',
                "dotted.key = 2",
                "[[b]]",
                "list = 3",
            ]
        )
    )
    expected = {
        ("a",): 2,
        ("b", 0): 5,
        ("b", 1): 6,
        ("b", 1, "list", 0, "x"): 7,
        ("b", 1, "c"): 10,
        ("b", 1, "c", "quoted.key"): 11,
        ("b", 1, "c", "dotted", "key"): 12,
        ("b", 2, "list"): 14,
        ("b", 2, "missing", "deep"): 13,
        ("nowhere",): None,
    }
    assert expected == {path: line_of(path) for path in expected}


@given(
    st.text(),
    st.sampled_from(["{}", "[[number]]\n{}", "[[user]]\nname = {}", "[[number]]\nhours = {{ mon = ['{}'] }}"]),
)
def test_any_file_gives_a_directory_or_a_list_of_problems(text: str, around: str) -> None:
    with TemporaryDirectory() as directory:
        file = Path(directory, "any.toml")
        file.write_bytes(around.format(text).encode("utf-8", "surrogatepass"))
        try:
            read_directory(file)
        except DirectoryFileError as refused:
            assert refused.problems


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (".".join(["a"] * 20_000) + " = 1\n", "1: a key has too many parts; write each table under its head"),
        (f"\n\n[{'.'.join(['a'] * 20_000)}]\n", "3: a key has too many parts; write each table under its head"),
        (
            "x = { " + " . ".join(["a"] * 20_000) + " = 1 }",
            "1: a key has too many parts; write each table under its head",
        ),
        (".".join(["a"] * 150) + " = 1\n", " nested too deeply; write each table under its head"),
        ("x = " + "[" * 50 + "]" * 50, " nested too deeply; write each table under its head"),
    ],
)
def test_keys_and_lists_without_end_are_refused_at_once(file: Path, text: str, problem: str) -> None:
    began = process_time()
    assert [problem] == problems(file, text)
    assert process_time() - began < 1


@pytest.mark.parametrize("line", ['"a",\n', '["a"],\n'])
def test_a_value_of_many_lines_is_read_in_time_by_its_length(file: Path, line: str) -> None:
    began = process_time()
    (found,) = problems(file, "x = [\n" + line * 20_000 + "]\n")
    assert "x: unknown" in found
    assert process_time() - began < 5


def test_what_is_no_file_of_reasonable_size_is_refused_and_not_read(file: Path) -> None:
    os.mkfifo(file)
    for path, problem in (
        (file, "not a file; check the path"),
        (Path("/dev/zero"), "not a file; check the path"),
        (file.parent, "not a file; check the path"),
        (file.with_name("missing"), "cannot be read (No such file or directory); check the path"),
    ):
        with pytest.raises(DirectoryFileError) as refused:
            read_directory(path)
        assert [problem] == [each.message for each in refused.value.problems]
    large = file.with_name("large.toml")
    with large.open("wb") as written:
        written.truncate(100 * 1024 * 1024)
    with pytest.raises(DirectoryFileError, match="larger than 8 MiB"):
        read_directory(large)


def test_a_directory_may_come_through_standard_input(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container sees no file of its machine. Nobody has to send an end before it is too much."""
    file.write_text(COMPANY)
    with file.open() as written:
        monkeypatch.setattr(sys, "stdin", written)
        assert read_directory(file) == read_directory(STANDARD_INPUT)
    with Path("/dev/zero").open() as endless:
        monkeypatch.setattr(sys, "stdin", endless)
        with pytest.raises(DirectoryFileError, match="larger than 8 MiB"):
            read_directory(STANDARD_INPUT)


def test_synonyms_are_other_words_for_a_choice(file: Path) -> None:
    lines = 'menu = { "1" = "sales", "2" = "sales" }\nsynonyms = { "1" = ["Buy", "vendite"], "2" = [] }\n'
    file.write_text(NUMBER + lines)
    (number,) = read_directory(file).numbers.values()
    assert {"1": ("Buy", "vendite")} == number.synonyms
    assert {"1": "sales", "2": "sales", "Buy": "sales", "vendite": "sales"} == number.choices


@pytest.mark.parametrize(
    ("synonyms", "message"),
    [
        ('{ "1" = ["2"] }', '7: synonyms: "2" and "2" are the same choice; keep one of them'),
        ('{ "1" = ["buy", "Buy!"] }', '7: synonyms: "Buy!" and "buy" are the same choice; keep one of them'),
        ('{ "1" = ["buy"], "2" = ["BUY"] }', '7: synonyms: "BUY" and "buy" are the same choice; keep one of them'),
        ('{ "1" = ["*01*"] }', '7: synonyms: "*01*" and "1" are the same choice; keep one of them'),
        ('{ "1" = ["!"] }', '7: synonyms: customers cannot choose "!"; use 1 to 100 letters or digits'),
        ('{ "3" = ["buy"] }', '7: synonyms: "3" is not on the menu; use one of 1, 2'),
    ],
)
def test_a_synonym_that_clashes_or_cannot_be_chosen_is_refused_with_its_line(
    file: Path, synonyms: str, message: str
) -> None:
    lines = f'menu = {{ "1" = "sales", "2" = "sales" }}\nsynonyms = {synonyms}\n'
    assert [message] == problems(file, NUMBER + lines)


def test_texts_of_a_number_have_a_language_and_a_kind(file: Path) -> None:
    file.write_text(NUMBER + 'texts = { en = { greeting = " Hello " }, it = {} }\n')
    (number,) = read_directory(file).numbers.values()
    assert {"en": {"greeting": "Hello"}} == number.texts


def test_a_number_has_words_that_stop_messages_and_start_them_again(file: Path) -> None:
    lines = 'stop_words = ["basta così", "no más"]\nstart_words = ["rieccomi"]\n'
    file.write_text(NUMBER + lines + 'texts = { it = { opted_out = "Va bene." } }\n')
    (number,) = read_directory(file).numbers.values()
    assert (("basta così", "no más"), ("rieccomi",)) == (number.stop_words, number.start_words)
    assert {"it": {"opted_out": "Va bene."}} == number.texts
    why = "is nothing that customers could write; use 1 to 6 words"
    assert [f'6: stop_words: "!" {why}'] == problems(file, NUMBER + 'stop_words = ["!"]\n')
    assert [f'6: start_words: "a b c d e f g" {why}'] == problems(file, NUMBER + 'start_words = ["a b c d e f g"]\n')


def test_a_skillset_has_words_by_which_customers_mean_it(file: Path) -> None:
    skillset = '[[skillset]]\nid = "sales"\nname = "Sales"\n'
    file.write_text(skillset + 'words = ["invoice", "città", "invoice"]\n')
    assert ("invoice", "città") == read_directory(file).skillsets["sales"].words
    for word in ("", "ok", "two words", "!!!", "x" * 61):
        why = "is no word to look for; use one word of 3 to 60 letters"
        (problem,) = problems(file, skillset + f'words = ["{word}"]\n')
        assert problem.startswith("4: words: ")
        assert problem.endswith(why)


def test_a_number_with_a_softbot_has_no_texts(file: Path) -> None:
    lines = 'softbot = true\ntexts = { it = { greeting = "Ciao" } }\n'
    message = "7: texts: the Softbot of the number speaks to customers; leave texts out"
    assert [message] == problems(file, NUMBER + lines)


RULE = '[[skillset]]\nid = "sales"\nname = "Sales"\n[[rule]]\nid = "r"\nname = "R"\n'
"""Six lines to which a test adds what the rule does."""


def test_rules_are_read_in_their_order(file: Path) -> None:
    file.write_text(
        RULE
        + 'on = true\nstop = false\nalone_minutes = 10\nleft_minutes = 240\nhours = "closed"\nreasons = ["no_choice"]\n'
        + 'words = ["refund"]\nlanguages = ["it"]\nreturning = true\nhad_skillsets = ["sales"]\n'
        + 'transfer = { skillset = "sales", reserve_minutes = 60 }\nmail = { to = ["night@example.com"] }\n'
        + '[[rule]]\nid = "a"\nname = "A"\nalarm = "night"\n'
    )
    rules = read_directory(file).rules
    assert [(rule.id, rule.on, rule.stop) for rule in rules] == [("r", True, False), ("a", False, True)]
    rule = rules[0]
    assert rule.when == RuleCondition(
        reasons=("no_choice",),
        alone=timedelta(minutes=10),
        left=timedelta(hours=4),
        hours="closed",
        words=("refund",),
        languages=("it",),
        returning=True,
        had=("sales",),
    )
    assert rule.transfer == RuleTransfer(skillset="sales", reserve=timedelta(hours=1))
    assert rule.mail == RuleMail(("night@example.com",))


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("", "4: does nothing; add one of mail, text, template, alarm, transfer, dismiss"),
        (
            'transfer = { skillset = "sale" }',
            '7: transfer.skillset: there is no skillset "sale"; add it as a [[skillset]], or did you mean sales?',
        ),
        ("transfer = {}", '7: transfer: write one of user = "..", skillset = "..", previous = true'),
        (
            'transfer = { skillset = "sales", mode = "now" }',
            '7: transfer.mode: must be "immediate" or "exclusive"; write it like mode = "exclusive"',
        ),
        (
            'mail = { to = ["nobody"] }',
            '7: mail.to: "nobody" is not an email address; write it like "anna@example.com"',
        ),
        ('mail = { too = ["a@b.de"] }', "7: mail.too: unknown key; did you mean to?"),
        (
            'text = "hi"\nleft_minutes = 5',
            "8: left_minutes: must be a whole number from 6 to 1440; write it like left_minutes = 240",
        ),
        ('text = "hi"\nreasons = ["no_choise"]', '8: reasons: there is no reason "no_choise"; did you mean no_choice?'),
        (
            'text = "hi"\nwords = ["?"]',
            '8: words: "?" is nothing that customers could write; use words, at the end also with a *',
        ),
        (
            'text = "hi"\nlanguages = ["Italian"]',
            '8: languages: "Italian" is no code of a language; use two letters like "it"',
        ),
        ('text = "hi"\nlanguages = ["zz"]', '8: languages: "zz" is no code of a language; use two letters like "it"'),
        ('template = { name = "", language = "en" }', "7: template.name: empty or too long; use 1 to 512 characters"),
        ('template = { name = "a", language = "" }', "7: template.language: empty or too long; use 1 to 16 characters"),
        (
            'template = { name = "a", language = "en", parameters = { "1" = " " } }',
            "7: template.parameters.1: empty or too long; use 1 to 1024 characters",
        ),
        (
            'text = "hi"\nalarm = ""',
            "8: alarm: empty, too long or not printable; use 1 to 60 characters",
        ),
        (
            'mail = { to = ["a@example.com"], subject = "one\\ntwo" }',
            "7: mail.subject: empty, too long or not printable; use 1 to 250 characters",
        ),
        (
            'text = "hi"\ntemplate = { name = "a", language = "en" }',
            "4: text and template exclude each other; keep one of them",
        ),
        (
            'dismiss = "spam"\ntransfer = { skillset = "sales" }',
            "4: transfer and dismiss exclude each other; keep one of them",
        ),
        ('text = "hi"\nnumbers = ["7"]', '8: numbers: there is no number "7"; add it as a [[number]]'),
    ],
)
def test_a_rule_that_cannot_be_is_refused_with_what_would_be_right(file: Path, line: str, problem: str) -> None:
    assert problem in problems(file, RULE + line)
