/** How SQL spells a moment that goes out as it is: ISO 8601 in UTC, to the millisecond, as `Date.toISOString` does. */
export const MOMENT = (of: string) => `to_char((${of}) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
