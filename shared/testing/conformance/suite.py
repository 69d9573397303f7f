"""Which checks there are."""

from shared.testing.conformance import commands, events, privacy, reading, shape, state, tenancy
from shared.testing.conformance.subject import Check

CHECKS: tuple[Check, ...] = (
    reading.a_row_is_found_by_id,
    reading.entities_are_resolved_by_key,
    reading.pages_lead_to_the_end_and_back,
    reading.pages_are_bounded,
    reading.every_sort_is_total,
    reading.every_filter_means_what_it_says,
    shape.the_sdl_is_the_same_each_time,
    shape.every_type_says_whose_it_is,
    shape.others_entities_gain_only_nullable_fields,
    shape.the_card_answers,
    tenancy.another_tenant_finds_nothing,
    tenancy.another_tenants_rows_cannot_be_changed,
    tenancy.nothing_is_open_without_permission,
    commands.a_key_makes_a_command_happen_once,
    commands.a_stale_version_is_refused,
    events.every_event_reaches_the_stream_in_order,
    events.an_event_heard_again_changes_nothing,
    state.its_rows_are_told_as_their_events_were,
    state.what_it_keeps_is_told_by_its_owner,
    privacy.a_person_is_erased_and_nobody_else,
)
