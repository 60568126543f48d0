"""Tables that an erasure leaves as they are, and columns that it leaves of rows that it changes: all of them are named,
so that a new one is looked at before anybody can forget it (`tests/integration/infra/postgres/test_personal_data.py`).
"""

from collections.abc import Mapping
from typing import NamedTuple


class KeptTable(NamedTuple):
    """A table without data of customers, or whose data an erasure must leave. `columns`: all of them."""

    why: str
    columns: str


_HOURS = " ".join(f"{kind}{hour:02}" for kind in "lu" for hour in range(24))
_BUCKETS = " ".join(f"b{n:02}" for n in range(72))

KEPT: Mapping[str, KeptTable] = {
    "agent_idle": KeptTable(
        "of people of the company, not of customers",
        "agent_id since",
    ),
    "agent_presence": KeptTable(
        "of people of the company, not of customers",
        "agent_id at input_id ordered_at ready_since reason seen_at state",
    ),
    "alarm_channels": KeptTable(
        "of people of the company, not of customers",
        "actor address changed_at form id language level name removed_at secret shown shows_customer system",
    ),
    "alarm_conditions": KeptTable(
        "where processes are; no content",
        "gone_since key kind since",
    ),
    "alarm_judge": KeptTable(
        "where processes are; no content",
        "id judged_at",
    ),
    "alarm_silences": KeptTable(
        "of people of the company, not of customers",
        "actor at key kind until",
    ),
    "campaign_answer_counts": KeptTable(
        "sums that name nobody",
        "campaign_id n outcome variant wave",
    ),
    "campaign_charges": KeptTable(
        "sums that name nobody",
        "billable campaign_id category country n",
    ),
    "campaign_counts": KeptTable(
        "sums that name nobody",
        "campaign_id n reason state variant wave",
    ),
    "campaign_file_chunks": KeptTable(
        "a file as somebody uploaded it: deleted by itself within a day, or when its campaign has the rows",
        "content file_id number",
    ),
    "campaign_files": KeptTable(
        "a file as somebody uploaded it: deleted by itself within a day, or when its campaign has the rows",
        "actor at detail headings id name problem rows sha256 size state",
    ),
    "campaign_log": KeptTable(
        "what a campaign sends and what became of it as a whole; ids of conversations in it lead to nobody",
        "actor at campaign_id detail event number reason",
    ),
    "campaign_templates": KeptTable(
        "what a campaign sends and what became of it as a whole; ids of conversations in it lead to nobody",
        "campaign_id category components delivered_within fingerprint language name parameter_format variant",
    ),
    "campaign_tests": KeptTable(
        "what a campaign sends and what became of it as a whole; ids of conversations in it lead to nobody",
        "campaign_id send_id",
    ),
    "campaigns": KeptTable(
        "what a campaign sends and what became of it as a whole; ids of conversations in it lead to nobody",
        (
            "account_id actor answers_to canary_passed canary_until changed_by countries created_at detail ended_at id "
            "in_own_time into_active name phone_number_id reason source start_at started_at started_by state terms "
            "tolerated version watch wave work zones"
        ),
    ),
    "commands": KeptTable(
        "where processes are; no content",
        "id recalled_by repeats",
    ),
    "console_sessions": KeptTable(
        "of people of the company, not of customers",
        "awaits_code began_at id_token name seen_at token_hash",
    ),
    "consumer_offsets": KeptTable(
        "where processes are; no content",
        (
            "breaks caught_up_to group_name last_at last_hash lost next_offset partition progressed_at restored_until "
            "topic topic_id"
        ),
    ),
    "consumer_trail": KeptTable(
        "where processes are; no content",
        "at group_name hash offset partition topic",
    ),
    "desk_actions": KeptTable(
        "of people of the company, not of customers",
        "at id",
    ),
    "desk_pages": KeptTable(
        "of people of the company, not of customers",
        "agent_id page rings seen_at",
    ),
    "desk_presence": KeptTable(
        "of people of the company, not of customers",
        "agent_id reason since state",
    ),
    "directory_drafts": KeptTable(
        "what the company says of itself: no customer's words are in it",
        "at author base id note text",
    ),
    "directory_version": KeptTable(
        "what the company says of itself: no customer's words are in it",
        "only rules version",
    ),
    "directory_versions": KeptTable(
        "what the company says of itself: no customer's words are in it",
        "at author changed changes draft_id note text version",
    ),
    "dismissed_counts": KeptTable(
        "sums that name nobody",
        "dismissed_as n phone_number_id status",
    ),
    "erased_ids": KeptTable(
        "what keeps erased people from coming back: hashes and ids, for 37 days",
        "at id",
    ),
    "erased_people": KeptTable(
        "what keeps erased people from coming back: hashes and ids, for 37 days",
        "mark until",
    ),
    "erasure_key": KeptTable(
        "what keeps erased people from coming back: hashes and ids, for 37 days",
        "id secret",
    ),
    "erasures": KeptTable(
        "that somebody was erased, when and by whom; until it is done, also who",
        "asked_at asked_by command_id customer_id done_at id phone removed state subject until",
    ),
    "graph_accounts": KeptTable(
        "about our accounts at Meta, their numbers and templates",
        "account_id apps clock_ahead failed_at failure subscribed synchronised_at",
    ),
    "graph_numbers": KeptTable(
        "about our accounts at Meta, their numbers and templates",
        "account_id display name people_per_day phone phone_number_id quality synchronised_at throughput",
    ),
    "inbound_rates": KeptTable(
        "about our accounts at Meta, their numbers and templates",
        "at partition phone_number_id rate",
    ),
    "lanes": KeptTable(
        "about our accounts at Meta, their numbers and templates",
        "heard_at needs_person paused_until phone_number_id reason refilled_at slowdown templates_paused_until tokens",
    ),
    "meta_reports": KeptTable(
        "about our accounts at Meta, their numbers and templates",
        "account_id aspect at input_id kind language name value",
    ),
    "months": KeptTable(
        "where processes are; no content",
        "high low name parent",
    ),
    "numbers": KeptTable(
        "what the company says of itself: no customer's words are in it",
        "hours language menu name phone_number_id retention softbot start_words stop_words synonyms texts time_zone",
    ),
    "outcomes": KeptTable(
        "of people of the company, not of customers",
        "outcome position skillset",
    ),
    "pause_reasons": KeptTable(
        "of people of the company, not of customers",
        "position reason",
    ),
    "personal_alarms": KeptTable(
        "of people of the company, not of customers",
        "desktop mail minutes name phone_number_ids skillsets sound",
    ),
    "prices": KeptTable(
        "about our accounts at Meta, their numbers and templates",
        "category country currency price valid_from",
    ),
    "quick_replies": KeptTable(
        "of people of the company, not of customers",
        "id owner scope shortcut text",
    ),
    "recovery_codes": KeptTable(
        "of people of the company, not of customers",
        "hash name",
    ),
    "restores": KeptTable(
        "where processes are; no content",
        "confirmed_at confirmed_by recognised_at",
    ),
    "retention_walk": KeptTable(
        "where processes are; no content",
        "began_at ended_at id walked_to",
    ),
    "rule_switch": KeptTable(
        "what the company says of itself: no customer's words are in it",
        "id stopped_at stopped_by",
    ),
    "second_factors": KeptTable(
        "of people of the company, not of customers",
        "confirmed_at last_step made_at name secret",
    ),
    "sign_in_tries": KeptTable(
        "of people of the company, not of customers",
        "began_at key kind tries",
    ),
    "sign_ins": KeptTable(
        "of people of the company, not of customers",
        (
            "administrator disabled_at language level list_order list_status made_at moves_on must_change name "
            "page_rows password provider shown_name signed_in_at skillsets subject time_zone"
        ),
    ),
    "sightings": KeptTable(
        "where processes are; no content",
        "at kind name",
    ),
    "skillsets": KeptTable(
        "what the company says of itself: no customer's words are in it",
        "id name words",
    ),
    "stat_agent_hours": KeptTable(
        "sums that name nobody",
        "agent_id day paused_s ready_s",
    ),
    "stat_agents": KeptTable(
        "sums that name nobody",
        "accepted agent_id day declined lapsed offered phone_number_id",
    ),
    "stat_hours": KeptTable(
        "sums that name nobody",
        f"day dismissed lost open opened phone_number_id reason rescued touched unmanaged {_HOURS}",
    ),
    "stat_presence_look": KeptTable(
        "where processes are; no content",
        "at",
    ),
    "stat_rules": KeptTable(
        "sums that name nobody",
        "acted day phone_number_id rescued rule",
    ),
    "stat_step_titles": KeptTable(
        "sums that name nobody",
        "phone_number_id step title",
    ),
    "stat_step_weeks": KeptTable(
        "sums that name nobody",
        "day left_here phone_number_id shown step",
    ),
    "stat_steps": KeptTable(
        "sums that name nobody",
        "day left_here phone_number_id shown step",
    ),
    "stat_times": KeptTable(
        "sums that name nobody",
        f"day kind phone_number_id {_BUCKETS}",
    ),
    "templates": KeptTable(
        "about our accounts at Meta, their numbers and templates",
        (
            "account_id category components fingerprint language name parameter_format quality status synchronised_at "
            "ttl_seconds"
        ),
    ),
    "unmanaged_counts": KeptTable(
        "sums that name nobody",
        "n phone_number_id reason status",
    ),
    "unneeded_files": KeptTable(
        "hashes of files that are about to be deleted",
        "at sha256",
    ),
    "users": KeptTable(
        "of people of the company, not of customers",
        "email id level max_conversations name skillsets",
    ),
    "words_progress": KeptTable(
        "where processes are; no content",
        "id searched_until walk_began_at walked_at walked_to",
    ),
}
"""Tables that an erasure leaves as they are, and why."""

KEPT_COLUMNS: Mapping[str, str] = {
    "campaign_answers": "at campaign_id outcome proof row_no variant wave",
    "command_audit": "batch_id command_id issuer offset outcome partition reason received_at source topic type version",
    "console_audit": "address at batch_id command_id event id name",
    "identity_periods": "arrival at customer_id kind phone_number_id report since user_id value",
    "opt_outs": "actor at ended_at ended_by ended_id id in_force input_id kind phone_number_id scope source",
    "recipients": (
        "accepted_at answered_at attempt campaign_id due_at language phone_number_id repeats row_no send_id variant "
        "wave zone"
    ),
    "stat_contributions": (
        "assigned_s day hour left_step listed_s outcome phone_number_id reason rules sequence skillset steps touched "
        "word_s"
    ),
    "stat_offers": "agent_id day phone_number_id result sequence",
}
"""Columns that stay as they are in rows that an erasure changes; `Holding.kept` says why."""
