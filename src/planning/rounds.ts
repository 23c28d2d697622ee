// The order of moves in which neighbours in the list keep out of each other's way.

import type { ShardId } from '../topology/types.ts';

interface Ends {
  readonly source: ShardId;
  readonly target: ShardId;
}

/** The rounds in which one shard has a move already. */
class Agenda {
  readonly #taken = new Set<number>();
  /** All before it are taken. */
  #firstFree = 0;

  /** The first free round from `round` on. */
  freeFrom(round: number): number {
    let free = Math.max(round, this.#firstFree);
    while (this.#taken.has(free)) free += 1;
    return free;
  }

  take(round: number): void {
    this.#taken.add(round);
    while (this.#taken.has(this.#firstFree)) this.#firstFree += 1;
  }
}

/**
 * `moves` round by round: no shard has two moves in one round, and each move is in the first round in which both of its shards are free. So whoever takes
 * the next move of the list whose shards are idle has as many at once as there can be. Fewer rounds than twice the moves of the busiest shard.
 */
export function inRounds<M extends Ends>(moves: readonly M[]): readonly M[] {
  const agendas = new Map<ShardId, Agenda>();
  const agendaOf = (id: ShardId): Agenda => {
    const agenda = agendas.get(id) ?? new Agenda();
    agendas.set(id, agenda);
    return agenda;
  };
  return moves
    .map((move) => {
      const [source, target] = [agendaOf(move.source), agendaOf(move.target)];
      let round = source.freeFrom(0);
      for (let free = target.freeFrom(round); free !== round; free = target.freeFrom(round)) {
        round = source.freeFrom(free);
      }
      source.take(round);
      target.take(round);
      return { move, round };
    })
    .toSorted((left, right) => left.round - right.round)
    .map(({ move }) => move);
}
