// What tests ask of the members of a world; outcomes are collected, so that a second one would show.

import { expect } from 'vitest';

import type { MembershipChange } from '../../../../src/raft/core/membership-change.ts';
import type { MemberId } from '../../../../src/raft/core/types.ts';
import type {
  ChangeOutcome,
  HandOverOutcome,
  ProposalOutcome,
  ReadOutcome,
  TransferOutcome,
} from '../../../../src/raft/outcome.ts';
import type { Member, World } from './world.ts';

export const NOT_LEADER = { ok: false, error: { kind: 'notLeader' } };

export function propose(
  member: Member,
  text: string,
  options: { term?: number; deadlineMs?: number } = {},
): ProposalOutcome[] {
  const outcomes: ProposalOutcome[] = [];
  member.driver.submit(
    Buffer.from(text),
    { deadlineMs: 5000, ...options },
    (outcome) => void outcomes.push(outcome),
  );
  return outcomes;
}

export function read(member: Member, deadlineMs = 5000): ReadOutcome[] {
  const outcomes: ReadOutcome[] = [];
  member.driver.confirm(deadlineMs, (outcome) => void outcomes.push(outcome));
  return outcomes;
}

export function change(member: Member, wanted: MembershipChange, deadlineMs = 5000): ChangeOutcome[] {
  const outcomes: ChangeOutcome[] = [];
  member.driver.change(wanted, deadlineMs, (outcome) => void outcomes.push(outcome));
  return outcomes;
}

export function transfer(member: Member, to: MemberId | null): TransferOutcome[] {
  const outcomes: TransferOutcome[] = [];
  member.driver.transfer(to, (outcome) => void outcomes.push(outcome));
  return outcomes;
}

export function withdraw(member: Member, deadlineMs = 3000): HandOverOutcome[] {
  const outcomes: HandOverOutcome[] = [];
  member.driver.withdraw(deadlineMs, (outcome) => void outcomes.push(outcome));
  return outcomes;
}

/** Proposes `count` lines one after the other at the leader; all must be applied. */
export function write(world: World, count: number, prefix = 'line'): string[] {
  const lines = Array.from({ length: count }, (_, offset) => `${prefix}${offset}`);
  const outcomes = lines.map((line) => propose(world.elect(), line));
  world.loop.run(20_000, () => outcomes.every((outcome) => outcome.length > 0));
  expect(outcomes.every((outcome) => outcome[0]?.ok === true)).toBe(true);
  return lines;
}

export function others(world: World, id: number): Member[] {
  return [...world.members.values()].filter((member) => member.id !== id);
}
