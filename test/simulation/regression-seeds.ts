// Every seed that ever failed, with what it found. A seed means something only together with the code of its day: what it
// found is also held by a test of its own; here it stays because such seeds are good ones.

export interface RegressionSeed {
  readonly seed: number;
  readonly members: number;
  readonly found: string;
}

export const REGRESSION_SEEDS: readonly RegressionSeed[] = [
  {
    seed: 26,
    members: 3,
    found: 'a leader that removes itself commits its removal and ends its lead in one step',
  },
  {
    seed: 94,
    members: 3,
    found: 'a process killed at a disk operation goes on with its turn, without an effect',
  },
  {
    seed: 649,
    members: 3,
    found: 'a frozen candidate learns of its votes when a later term has committed: that is no violation',
  },
  {
    seed: 1179,
    members: 3,
    found: 'a tick that waited in the inbox through a freeze: it came before what arrived meanwhile, rightly',
  },
  {
    seed: 1704,
    members: 3,
    found: 'after a clogged connection was healed, later messages still queued behind it',
  },
  {
    seed: 3367,
    members: 3,
    found:
      'a process frozen between the two turns that a tick waits: one tick comes early, which is no campaign',
  },
  {
    seed: 4697,
    members: 3,
    found: 'clients went on losing requests after everything else was healed',
  },
  {
    seed: 6609,
    members: 3,
    found:
      'a removal waited in a frozen leader while the disk of another member rotted: more than the group can lose',
  },
  {
    seed: 20310,
    members: 3,
    found:
      'a log whose next segment failed while the disk was full: nobody waited for it, and the member led on without one',
  },
];
