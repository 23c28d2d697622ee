// Who is told of events by HTTP.

import { Hono } from 'hono';

import { Secret } from '../../base/secret.ts';
import type { Webhook } from '../../topology/policy.ts';
import { answer } from '../answers.ts';
import { readBody } from '../body.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { badRequest } from '../errors.ts';
import { confirmed, settled } from '../parse.ts';
import type { WebhookRecords } from '../ports.ts';
import { webhooksBody } from '../schemas/bodies.ts';

export function webhookRoutes({ clusters, webhooks }: Pick<ApiDependencies, 'clusters' | 'webhooks'>): Hono {
  return new Hono()
    .get('/webhooks', async (context) => {
      confirmed(await clusters.linearize());
      return answer(context, { webhooks: render(webhooks) });
    })
    .put('/webhooks', async (context) => {
      const wanted = (await readBody(context, webhooksBody)).webhooks;
      const names = wanted.map(({ name }) => name);
      for (const [index, { name, url }] of wanted.entries()) {
        if (names.indexOf(name) !== index)
          throw badRequest(`webhooks.${index}.name: "${name}" is there twice`);
        if (!isHttp(url)) throw badRequest(`webhooks.${index}.url: expected an http: or https: URL`);
      }
      const choose = (present: readonly Webhook[]): readonly Webhook[] =>
        wanted.map(({ name, url, secret, severity }) => {
          const kept = present.find((webhook) => webhook.name === name)?.secret ?? Secret.none;
          return {
            name,
            severity,
            url: new Secret(url),
            secret: secret === undefined ? kept : new Secret(secret),
          };
        });
      const text = names.length === 0 ? 'nobody is told of events' : `events are told to ${names.join(', ')}`;
      settled(await webhooks.set(choose, { kind: 'webhooksChanged', text }));
      return answer(context, { webhooks: render(webhooks) });
    });
}

function isHttp(url: string): boolean {
  return URL.canParse(url) && ['http:', 'https:'].includes(new URL(url).protocol);
}

function render(webhooks: WebhookRecords): readonly object[] {
  return webhooks.present().map(({ name, url, secret, severity }) => ({
    name,
    url: withoutUser(url.reveal()),
    signed: !secret.isEmpty,
    severity,
    pending: webhooks.pending(name),
  }));
}

/** A user and a password in a URL are as secret as any other. */
function withoutUser(text: string): string {
  const url = new URL(text);
  url.username = '';
  url.password = '';
  return url.href;
}
