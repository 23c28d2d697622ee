// What a process has used so far, as Linux tells it.

import { readFileSync } from 'node:fs';

/** Clock ticks a second in `/proc/<pid>/stat`: the same on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;
/** Places of user and system time behind the closing bracket of the command, counted from the state (proc(5): fields 14, 15). */
const USER_TICKS_PLACE = 11;
const SYSTEM_TICKS_PLACE = 12;

/** Processor time of the process in all its threads, milliseconds; resolution 10 ms. */
export function cpuMs(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const ticks = Number(fields[USER_TICKS_PLACE]) + Number(fields[SYSTEM_TICKS_PLACE]);
  return (ticks * 1000) / TICKS_PER_SECOND;
}

/** The most memory the process ever had resident, MiB. */
export function peakMemoryMib(pid: number): number {
  const match = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'));
  return Number(match?.[1] ?? Number.NaN) / 1024;
}
