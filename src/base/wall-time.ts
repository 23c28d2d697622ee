// Times of the wall clock as people write and read them. Nothing here asks what time it is.

/** `2026-01-31T12:00:00Z`, of seconds since the Unix epoch. */
export function printTime(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace('.000', '');
}

/** The last second that can be written with four digits for the year. */
const LAST_SECONDS = Date.UTC(10_000, 0, 1) / 1000 - 1;

/** Seconds since the Unix epoch of a time with date, time and zone (RFC 3339), rounded up to whole ones; null for any other text. */
export function parseTime(text: string): number | null {
  const match = /^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d(?:\.\d+)?)([Zz]|[+-]\d\d:\d\d)$/.exec(text);
  const [, date = '', time = '', zone = ''] = match ?? [];
  const seconds = Math.ceil(Date.parse(`${date}T${time}${zone.toUpperCase()}`) / 1000);
  // Of a day that its month does not have the first of the next is made.
  const midnight = Date.parse(`${date}T00:00:00Z`);
  const isDay = !Number.isNaN(midnight) && new Date(midnight).toISOString().startsWith(date);
  return isDay && seconds >= 0 && seconds <= LAST_SECONDS ? seconds : null;
}
