// Seeds that show the faults which this simulation has found in the sources, should these come back. A seed means something only together with the
// code of its day: what it found is also held by a test of its own, and planted again by `test/mutants/controller.ts`.

export interface RegressionSeed {
  readonly seed: number;
  readonly found: string;
}

export const REGRESSION_SEEDS: readonly RegressionSeed[] = [
  {
    seed: 451,
    found: 'a failover by hand asked where the master stands that a spare had taken the place of meanwhile',
  },
  {
    seed: 2343,
    found: 'a leader that had just begun promoted a replica that was written down as behind',
  },
  {
    seed: 4019,
    found: 'the same',
  },
  {
    seed: 1_001_078,
    found: 'a node was outrun on a confirmation of the lead that was as old as the renewal of its lease took',
  },
  {
    seed: 1_000_350,
    found:
      'somebody asked for another master while that died and was replaced: the new one was replaced without being drained',
  },
  {
    seed: 136,
    found:
      'an old master that was told something else right after its role counted as led astray, and its copy was thrown away',
  },
  {
    seed: 9724,
    found:
      'a new leader promoted a replica that had come to its master a moment ago and was still catching up',
  },
  {
    seed: 4100486,
    found:
      'a move given up although its target had been seen to have the slots: its source was gone and forgot the job, and then the target hung',
  },
  {
    seed: 4010432,
    found:
      'slots that went to a replica which lacked them: both masters of a move hung, and what the target had said before counted still',
  },
  {
    seed: 4010719,
    found:
      'a source that was cut off took back at the target what was just being recorded there, and deleted its own copy when it was told',
  },
  {
    seed: 4012984,
    found: 'the same, with a leader that died right after the record',
  },
  {
    seed: 4010207,
    found: 'the same, with a target that hung before it was told',
  },
  {
    seed: 4011869,
    found: 'a migration that was tried again did not move what others had moved away since',
  },
  {
    seed: 4020408,
    found: 'a slot whose lending was undone was waited for, for ever, by its own lending',
  },
  {
    seed: 4012531,
    found:
      'what a target had taken for seconds was given up when it hung, although it had said that it has the slots: the source hung before',
  },
  {
    seed: 4021539,
    found:
      'an old master that was cut off deleted slots at the word of their source, and followed from beyond what it had',
  },
  {
    seed: 3033132,
    found:
      'a master that had handed slots over and was to keep them was drained before it heard so, and deleted them with the drain',
  },
  {
    seed: 4030169,
    found:
      'a leader that saw the master again for less than a second had nothing written down of a pause: that is no fault',
  },
  {
    seed: 4033875,
    found:
      'a success that showed late was cleared and taken for forgotten in turn, with thousands of versions',
  },
  {
    seed: 4040015,
    found: 'the end of an import that was cut off came in the midst of the next one, and deleted the slots',
  },
  {
    seed: 4033107,
    found:
      'a target that had said that it took slots over was restarted while their source was silent, and the slots went back',
  },
  {
    seed: 4033152,
    found: 'a leader that missed all nodes asked about all of them, and the judge did not see the answers',
  },
  {
    seed: 4034056,
    found:
      'a target that was replaced in the midst of an import heard of its end when it was master again, and deleted what had come since',
  },
  {
    seed: 4040203,
    found: 'the end of an import that had come to its success deleted what the next one had brought',
  },
  {
    seed: 4045194,
    found:
      'a master that was replaced while it hung carried its move out beside that of its successor, and had the slots deleted',
  },
  {
    seed: 4060204,
    found:
      'a target that hung came to its success after its source had been restarted and took writes again, which were deleted',
  },
  {
    seed: 4080556,
    found:
      'a target that only its leader did not reach, and that served the slots, was taken for one that hung, and what it had taken was dropped',
  },
  {
    seed: 4060216,
    found:
      'looks that a push held back were taken for ones by which a leader could have written down who lags',
  },
  {
    seed: 4000056,
    found: 'a shard that was emptied waits for what others move to it: that is no fault',
  },
];
