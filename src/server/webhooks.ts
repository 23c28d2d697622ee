// Joins webhooks to the records.

import type { WebhookRecords } from '../api/ports.ts';
import type { Registry } from '../registry/registry.ts';
import { isAtLeast } from '../topology/event.ts';
import type { Webhook } from '../topology/policy.ts';
import type { Batch } from '../webhooks/delivery.ts';

/** Events behind which those that a webhook waits for are counted, at most. */
const PENDING_MAX = 1000;

/** What comes next for a webhook: what it does not want to hear is passed over. */
export function nextBatch({ events, webhookCursors }: Registry, webhook: Webhook, limit: number): Batch {
  const from = webhookCursors.get(webhook.name);
  if (from === null) return { events: [], cursor: null, isGap: false };
  const batch = events.after(from, limit);
  return { ...batch, events: batch.events.filter(({ severity }) => isAtLeast(severity, webhook.severity)) };
}

export function webhookRecords(registry: Registry): WebhookRecords {
  const { policies, webhookCursors, events } = registry;
  return {
    present: () => policies.ofGroup().webhooks,
    set: (choose, event) => policies.setWebhooks(choose, event),
    pending: (name) => {
      const from = webhookCursors.get(name);
      const webhook = policies.ofGroup().webhooks.find((each) => each.name === name);
      if (from === null || webhook === undefined) return 0;
      const behind = events.after(from, PENDING_MAX).events;
      return behind.filter(({ severity }) => isAtLeast(severity, webhook.severity)).length;
    },
  };
}
