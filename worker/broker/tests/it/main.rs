//! A whole broker on a real folder and a real socket, spoken to byte by byte.
//!
//! The rules that new brokers get wrong, and where each is held:
//!
//! | rule | test |
//! |---|---|
//! | a duplicate sequence returns the original offset without error | `writing::a_duplicate_sequence_is_answered_with_the_original_offset_and_no_error` |
//! | a fetch inside a batch returns the whole batch | `reading::a_fetch_inside_a_batch_gives_the_whole_batch` |
//! | the first batch comes even if larger than max_bytes | `reading::the_first_batch_comes_even_where_it_is_larger_than_asked_for` |
//! | a null key on a compacted topic is INVALID_RECORD | `writing::on_a_compacted_topic_a_record_without_a_key_is_refused_and_named` |
//! | max.message.bytes is enforced | `writing::the_largest_batch_is_the_topics` |
//! | read_committed never leaks an aborted record | `transactions::a_transaction_is_seen_when_it_is_committed_and_never_when_it_is_aborted`; crate `log`, simulation |
//! | ListOffsets by time | `reading::offsets_are_found_by_time`, `reading::a_time_that_a_batch_claims_and_no_record_has_is_passed_over` |
//! | incremental fetch sessions | `reading::a_session_says_only_what_changed`; `fetch/session.rs` |
//! | produce requests are pipelined and answered in order | `writing::produce_requests_of_one_connection_are_pipelined_and_answered_in_order` |
//! | … also while a transaction's first batch waits for its coordinator | `transactions::batches_behind_the_first_of_a_transaction_keep_their_order`, `transactions::others_are_written_while_a_first_batch_waits_and_answers_keep_their_order` |
//! | producer ids expire by time and count, never with an open transaction | crate `log`, `producers_expire_by_time_and_count_but_never_inside_a_transaction` |
//! | an offset staged in an open transaction never expires | crate `coordinators`, `offsets_without_members_go_a_week_after_their_commit_unless_a_transaction_is_open` |
//! | a cold reader slows nobody | `cold::readers_that_wait_for_the_object_store_hold_up_neither_readers_of_the_volume_nor_producers` |
//! | a slow consumer costs no memory | `memory::a_thousand_consumers_that_read_nothing_cost_no_more_than_the_budget` |

mod cold;
mod gate;
mod groups;
mod hostile;
mod kit;
mod listeners;
mod memory;
mod proposals;
mod reading;
mod topics;
mod transactions;
mod writing;
