// What the rest of the program is told about this member's role, and when.

import type { RoleView } from './core/step.ts';
import type { LogIndex } from './core/types.ts';

type Listener = (view: RoleView) => void;

/**
 * Publishes the core's view with one delay: `established` waits until this member has applied everything that was
 * committed at that moment, its own term's first entry included. Whoever starts work on `established` therefore sees a
 * complete state.
 */
export class RoleBoard {
  readonly #listeners = new Set<Listener>();
  #actual: RoleView;
  #published: RoleView;
  /** What must be applied before `established` may be said. */
  #threshold: LogIndex | null = null;
  #applied: LogIndex | null = null;
  #isSuspended = false;
  #abdicated = false;

  constructor(view: RoleView) {
    this.#actual = view;
    this.#published = view;
  }

  /** The core's own view. */
  get actual(): RoleView {
    return this.#actual;
  }

  get published(): RoleView {
    return this.#published;
  }

  /** Adds a listener; returns the way to remove it. */
  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Takes over a change of the core's view; `commit` and `applied` are those of this moment. */
  update(view: RoleView, at: { readonly commit: LogIndex; readonly applied: LogIndex }): void {
    if (!view.established) this.#threshold = null;
    else if (!this.#actual.established || this.#actual.term !== view.term) this.#threshold = at.commit;
    this.#actual = view;
    this.#applied = at.applied;
    this.#publish();
  }

  /** The state machine has come to `applied`. */
  applied(applied: LogIndex): void {
    this.#applied = applied;
    if (this.#threshold !== null) this.#publish();
  }

  /** While suspended this member does not call itself leader, whatever the core believes. */
  suspend(isSuspended: boolean): void {
    if (isSuspended === this.#isSuspended) return;
    this.#isSuspended = isSuspended;
    this.#publish();
  }

  /** This member claims nothing any more, whatever the core believes. */
  abdicate(): void {
    this.#abdicated = true;
    this.#publish();
  }

  #publish(): void {
    const established =
      this.#threshold !== null && this.#applied !== null && this.#applied >= this.#threshold;
    const isSilent = this.#abdicated || (this.#isSuspended && this.#actual.role === 'leader');
    const next: RoleView = isSilent
      ? { role: 'follower', term: this.#actual.term, leader: null, established: false }
      : { ...this.#actual, established };
    if (same(next, this.#published)) return;
    this.#published = next;
    for (const listener of this.#listeners) listener(next);
  }
}

function same(left: RoleView, right: RoleView): boolean {
  return (
    left.role === right.role &&
    left.term === right.term &&
    left.leader === right.leader &&
    left.established === right.established
  );
}
