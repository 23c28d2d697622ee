// The RocksDB section of INFO: the server's names with idle values, since there is no RocksDB here.

const COLUMN_FAMILIES = ['default', 'metadata', 'zset_score', 'pubsub', 'propagate', 'stream', 'search'];

const PER_FAMILY = [
  'index_and_filter_cache_usage',
  'level0_file_limit_slowdown',
  'level0_file_limit_stop',
  'pending_compaction_bytes_slowdown',
  'pending_compaction_bytes_stop',
  'level0_file_limit_stop_with_ongoing_compaction',
  'level0_file_limit_slowdown_with_ongoing_compaction',
  'memtable_count_limit_slowdown',
  'memtable_count_limit_stop',
];

const COUNTERS = [
  'block_cache_data_hit',
  'block_cache_data_miss',
  'block_cache_filter_hit',
  'block_cache_filter_miss',
  'block_cache_hit',
  'block_cache_index_hit',
  'block_cache_index_miss',
  'block_cache_miss',
  'all_mem_tables',
  'cur_mem_tables',
  'snapshots',
  'num_immutable_tables',
  'num_running_flushes',
  'memtable_flush_pending',
  'compaction_pending',
  'num_running_compactions',
  'num_live_versions',
  'num_super_version',
  'num_background_errors',
  'flush_count',
  'compaction_count',
  'put_per_sec',
  'get_per_sec',
  'seek_per_sec',
  'next_per_sec',
  'prev_per_sec',
];

export function rocksdbLines(): readonly string[] {
  const families = COLUMN_FAMILIES.flatMap((family) =>
    ['estimate_keys'].concat(PER_FAMILY).map((name) => `${name}[${family}]:0`),
  );
  return [
    'block_cache_usage:88',
    'block_cache_pinned_usage[default]:88',
    ...families,
    ...COUNTERS.map((name) => `${name}:0`),
    'is_bgsaving:no',
    'is_compacting:no',
  ];
}
