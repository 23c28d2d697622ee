// What a leader asks other members, and what they answer, as JSON.

import { z } from 'zod';

import type { EvidenceKind } from '../control/evidence.ts';

/** Nodes in one question. */
export const NODES_MAX = 500;
/** Bytes of a question, and of an answer. */
export const BODY_BYTES_MAX = 1024 * 1024;
/** Characters of what a witness saw, for people. */
export const WHY_LENGTH_MAX = 100;

export const WITNESS_PATH = '/raft/witness';

/** A node by its place in the records, which say where it is. */
export interface QuestionedNode {
  readonly namespace: string;
  readonly cluster: string;
  readonly id: string;
}

export interface Question {
  /** Of the group. */
  readonly clusterId: string;
  /** Of the leader that asks. */
  readonly term: number;
  /** How long a look may take, milliseconds. */
  readonly deadlineMs: number;
  readonly nodes: readonly QuestionedNode[];
}

/** What was seen of one node; null when there is nothing to say. */
export type Spoken = { readonly kind: EvidenceKind; readonly why: string } | null;

/** One for each node of the question, in its order. */
export interface Answer {
  readonly words: readonly Spoken[];
}

const name = z.string().min(1).max(512);

export const questionSchema: z.ZodType<Question> = z.object({
  clusterId: name,
  term: z.int().nonnegative(),
  deadlineMs: z.number().min(1).max(10_000),
  nodes: z.array(z.object({ namespace: name, cluster: name, id: name })).max(NODES_MAX),
});

const kinds = ['answered', 'refused', 'silent', 'stranger', 'ownFault'] as const;

export const answerSchema: z.ZodType<Answer> = z.object({
  words: z
    .array(z.object({ kind: z.enum(kinds), why: z.string().max(2 * WHY_LENGTH_MAX) }).nullable())
    .max(NODES_MAX),
});
