// Namespaces: names that group clusters.

import { Hono } from 'hono';

import { parseName } from '../../topology/name.ts';
import { answer, answerChange } from '../answers.ts';
import { readBody, readNoBody } from '../body.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { missing } from '../errors.ts';
import { NameLists } from '../name-lists.ts';
import { confirmed, nameParam, settled, valid } from '../parse.ts';
import { createNamespaceBody } from '../schemas/bodies.ts';

export function namespaceRoutes({ clusters, clock }: ApiDependencies): Hono {
  const names = new NameLists(clock);
  return new Hono()
    .get('/namespaces', async (context) => {
      confirmed(await clusters.linearize());
      return names.answer(context, 'namespaces', (after) => clusters.listNamespaces(after));
    })
    .post('/namespaces', async (context) => {
      const body = await readBody(context, createNamespaceBody);
      const namespace = valid(parseName(body.namespace, 'namespace'));
      settled(await clusters.createNamespace(namespace));
      return answerChange(context, { word: 'created', object: { namespace }, status: 201 });
    })
    .get('/namespaces/:namespace', async (context) => {
      const namespace = nameParam(context, 'namespace');
      confirmed(await clusters.linearize());
      if (!clusters.hasNamespace(namespace)) throw missing();
      return answer(context, 'ok');
    })
    .delete('/namespaces/:namespace', async (context) => {
      await readNoBody(context);
      settled(await clusters.deleteNamespace(nameParam(context, 'namespace')));
      return answer(context, 'ok');
    });
}
