// Times of the wall clock as people write and read them. Nothing here asks what time it is.

/** `2026-01-31T12:00:00Z`, of seconds since the Unix epoch. */
export function printTime(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace('.000', '');
}

/** Seconds since the Unix epoch of a time with date, time and zone (RFC 3339), rounded up to whole ones; null for any other text. */
export function parseTime(text: string): number | null {
  if (!/^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/.test(text)) return null;
  const milliseconds = Date.parse(text.toUpperCase().replace(' ', 'T'));
  return Number.isNaN(milliseconds) || milliseconds < 0 ? null : Math.ceil(milliseconds / 1000);
}
