// The metrics of one member, whether it leads or not: Raft, store, HTTP and process.

import { counter, gauge, histogram, LONG_SECONDS, REQUEST_SECONDS, SHORT_SECONDS } from './declare.ts';

/** Read from Raft at every scrape. */
export const RAFT_SAMPLED = {
  raft_has_leader: gauge('1 while this member knows a leader'),
  raft_is_leader: gauge('1 on the leader'),
  raft_term: gauge('Current Raft term'),
  raft_commit_index: gauge('Last entry of the log that this member knows to be committed'),
  raft_applied_index: gauge('Last entry of the log that is applied to the state of this member'),
  raft_first_index: gauge('First entry that the log still holds; one above the last where it holds none'),
  raft_last_index: gauge('Last entry of the log'),
  raft_members: gauge('Members of the group as this member knows it, by role: voter or learner', 'role'),
  raft_membership_changing: gauge('1 while a change of the voters is under way'),
  raft_failure_tolerance: gauge(
    'On the leader: how many of the voters that it hears may fail before the group has no majority; 0: none, also in a group of one',
  ),
  raft_proposals_pending: gauge('Proposals made here that have no outcome yet'),
  raft_wal_bytes: gauge('Bytes of the files of the log'),
  raft_snapshot_timestamp_seconds: gauge(
    'When the newest snapshot here was made or received; absent without one',
  ),
  raft_disk_space_low: gauge('1 while commands are refused because the disk of the log is nearly full'),
  raft_peer_lag_entries: gauge('On the leader: entries that a member lacks', 'peer'),
  raft_peer_contact_timestamp_seconds: gauge('When a member was last heard here', 'peer'),
  peer_clock_skew_seconds: gauge(
    'On the leader: how far the wall clock of a member is ahead of the one here, as of its last answer (every 10 s), half a round trip off at most',
    'peer',
  ),
  raft_messages_total: counter(
    'Messages between members by direction (sent, received) and result (ok, dropped: no room, or the peer was away)',
    'peer',
    'direction',
    'result',
  ),
  peer_handshakes_total: counter(
    'Connections opened to a member for messages, by result: accepted (it took a message), refused (it answered no), failed (any other end before)',
    'peer',
    'result',
  ),
  raft_messages_refused_total: counter('Requests of peers that were not taken, by reason', 'reason'),
  queue_depth: gauge(
    'What waits in a queue of this member: proposals, reads, changes (of members), inbox (of Raft)',
    'queue',
  ),
  store_keys: gauge('Keys of the state'),
  store_bytes: gauge('Bytes of all keys (in UTF-16 code units) and values of the state'),
  store_feature_level: gauge('The feature level of the group, as applied here'),
} as const;

/** Counted or measured as it happens. */
export const RAFT_COUNTED = {
  raft_leader_changes_total: counter(
    'Times that this member learnt of another leader, or of the same in a later term',
  ),
  raft_elections_total: counter(
    'Terms in which this member asked for votes, by kind: pre_vote (whether it could win), vote',
    'kind',
  ),
  raft_transfers_total: counter(
    'Planned changes of the lead that were asked for here, by outcome',
    'outcome',
  ),
  raft_proposals_total: counter(
    'Proposals made here by result: applied, not_leader and overloaded (nothing happened), unknown (it may have)',
    'result',
  ),
  raft_commit_seconds: histogram(
    SHORT_SECONDS,
    'From a proposal here to its entry committed and applied here',
  ),
  raft_apply_seconds: histogram(SHORT_SECONDS, 'Applying one batch of committed entries to the state'),
  raft_wal_sync_seconds: histogram(SHORT_SECONDS, 'One durable write to the log, its sync included'),
  raft_snapshot_seconds: histogram(
    LONG_SECONDS,
    'One snapshot saved, loaded or sent to a member whole, by op: save, load, send',
    'op',
  ),
  raft_peer_round_trip_seconds: histogram(
    SHORT_SECONDS,
    'On the leader: from a heartbeat to its answer; the first one that is open counts while others follow',
    'peer',
  ),
  store_hash_mismatch_total: counter(
    'On the leader: entries after which the state of another member was not the same as here',
  ),
  queue_rejected_total: counter(
    'What was not taken because a queue of this member was full: proposals, reads, inbox (messages of Raft that come again)',
    'queue',
  ),
} as const;

/** `request_latency`, `http_code` and `http_payload` have the names, labels and units of upstream's controller. */
export const HTTP_COUNTED = {
  request_latency: histogram(
    Array.from({ length: 16 }, (_, exponent) => 2 ** exponent),
    'Time to answer a request, milliseconds (name of earlier controllers)',
    'host',
    'uri',
    'method',
    'code',
  ),
  http_code: counter(
    'Requests answered, by status code (name of earlier controllers)',
    'host',
    'uri',
    'method',
    'code',
  ),
  http_payload: counter('Bytes of answers (name of earlier controllers)', 'host', 'uri', 'method', 'code'),
  http_requests_total: counter(
    'Requests answered, by the template of their route',
    'route',
    'method',
    'code',
  ),
  http_request_seconds: histogram(REQUEST_SECONDS, 'Time to answer a request', 'route', 'method'),
  http_rejected_total: counter(
    'Requests refused for what they are: host, target, size, overload (429), unreadable (no HTTP, or odd)',
    'reason',
  ),
  http_redirected_total: counter('Requests answered with a redirect to the leader (307)'),
} as const;

export const HTTP_SAMPLED = {
  http_connections: gauge(
    'Open connections: http, or peer (taken over by the messages between members)',
    'kind',
  ),
  http_in_flight: gauge('Requests that are being answered, this one included'),
} as const;

export const PROCESS_COUNTED = {
  event_loop_lag_seconds: histogram(SHORT_SECONDS, 'How late a timer of a quarter of a second fires'),
} as const;

export const PROCESS_SAMPLED = {
  build_info: gauge(
    '1, with the release, its commit (empty where it was not built from one) and the Node under it',
    'version',
    'commit',
    'node',
  ),
  backup_success_timestamp_seconds: gauge(
    'When a backup was last downloaded whole from this member; absent before the first',
  ),
  config_reload_success: gauge('1 unless the last reload of the configuration was refused'),
  config_reload_timestamp_seconds: gauge('When the configuration was read last without a problem'),
} as const;
