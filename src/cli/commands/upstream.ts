// The verbs of upstream's client, with its words, their order and its flags; what it announces and cannot do is done here.

import type { Command } from 'commander';

import { EXIT, Failure } from '../failure.ts';
import { shardIndex, type Session } from '../session.ts';
import type { Act } from './act.ts';
import { showCluster, showNodes, showShards } from './cluster-view.ts';
import { passwordOf, withPasswordFlags } from './password.ts';
import type { ClusterBody } from '../../api/render.ts';
import { addresses, clusterOf, count, nodeNamed, placesOf } from './places.ts';

export function registerUpstream(program: Command, act: Act): void {
  registerCreate(program.command('create').description('create a namespace, cluster, shard or node'), act);
  registerGet(program.command('get').description('show one of them'), act);
  registerList(program.command('list').description('list them, or controllers and migrations'), act);
  registerDelete(
    program.command('delete').description('forget a namespace or cluster, remove a shard or node'),
    act,
  );
  const imports = program.command('import').description('take over a cluster that runs already');
  withPasswordFlags(imports.command('cluster <name>'))
    .description('read the topology from its nodes and manage it from now on')
    .requiredOption('--nodes <addresses>', 'nodes of it, a,b,c: one that answers is enough')
    .addHelpText('after', '\nExample: kvctl import cluster carts -n shop --nodes 10.0.1.1:6666,10.0.1.2:6666')
    .action(
      act(async (session, [name = ''], flags) => {
        const body = { nodes: addresses(flags['nodes']), ...passwordOf(flags) };
        const { data } = await session.client.send('POST', session.path('/import', name), body);
        await session.output.done(`cluster ${name} is managed from now on`, data, [name]);
      }),
    );
}

function registerCreate(create: Command, act: Act): void {
  create
    .command('namespace <name>')
    .description('clusters live in namespaces')
    .addHelpText('after', '\nExample: kvctl create namespace shop')
    .action(
      act(async (session, [name = '']) => {
        const { data } = await session.client.send('POST', '/namespaces', { namespace: name });
        await session.output.done(`namespace ${name} was created`, data, [name]);
      }),
    );
  withPasswordFlags(create.command('cluster <name>'))
    .description(
      'make a cluster of empty nodes: consecutive nodes make a shard, the first of each is its master',
    )
    .requiredOption('--nodes <addresses>', 'a,b,c')
    .option('-r, --replica <count>', 'nodes of a shard, its master included', '1')
    .addHelpText(
      'after',
      '\nExample: kvctl create cluster carts -n shop --nodes 10.0.1.1:6666,10.0.2.1:6666 --replica 2',
    )
    .action(
      act(async (session, [name = ''], flags) => {
        const replicas = count(flags['replica'], '--replica');
        const nodes = addresses(flags['nodes']);
        const body = { name, nodes, replicas, ...passwordOf(flags) };
        const path = `/namespaces/${encodeURIComponent(session.namespace)}/clusters`;
        const { data } = await session.client.send('POST', path, body);
        const shards = nodes.length / Math.max(1, replicas);
        await session.output.done(
          `cluster ${name} was created: ${shards} shards, ${nodes.length} nodes`,
          data,
          [name],
        );
      }),
    );
  withPasswordFlags(create.command('shard'))
    .description('add a shard without slots')
    .requiredOption('--nodes <addresses>', 'a,b,c: the first is its master')
    .addHelpText(
      'after',
      '\nExample: kvctl create shard -n shop -c carts --nodes 10.0.1.9:6666,10.0.2.9:6666',
    )
    .action(
      act(async (session, _, flags) => {
        const nodes = addresses(flags['nodes']);
        const body = { nodes, ...passwordOf(flags) };
        const { data } = await session.client.send('POST', session.path('/shards'), body);
        await session.output.done(
          `a shard of ${nodes.join(' ')} was added; it has no slots yet (kvctl rebalance)`,
          data,
        );
      }),
    );
  withPasswordFlags(create.command('node <address>'))
    .description('add a replica to a shard')
    .addHelpText('after', '\nExample: kvctl create node 10.0.3.1:6666 -n shop -c carts -s 0')
    .action(
      act(async (session, [address = ''], flags) => {
        const { shard } = session;
        const body = { addr: address, role: 'slave', ...passwordOf(flags) };
        const { data } = await session.client.send('POST', session.path(`/shards/${shard}/nodes`), body);
        await session.output.done(`${address} was added to shard ${shard}`, data, [address]);
      }),
    );
}

function registerGet(get: Command, act: Act): void {
  get
    .command('namespace <name>')
    .description('whether it exists')
    .action(
      act(async (session, [name = '']) => {
        const { data } = await session.client.get(`/namespaces/${encodeURIComponent(name)}`);
        await session.output.done(name, data, [name]);
      }),
    );
  get
    .command('cluster [name]')
    .description('its shards, slots and nodes')
    .addHelpText('after', '\nExample: kvctl get cluster carts -n shop')
    .action(act((session, [name]) => showOneCluster(session, name)));
  get
    .command('shard [index]')
    .description('its slots and nodes')
    .action(
      act(async (session, [index]) => {
        const shard = index === undefined ? session.shard : shardIndex(index);
        const { shards } = await clusterOf(session);
        const found = shards[shard];
        if (found === undefined)
          throw new Failure(EXIT.missing, `there is no shard ${shard}: ${shards.length} shards, from 0 on`);
        await showShards(session, [found], shard);
      }),
    );
  get
    .command('node <node>')
    .description('by its id, the beginning of that, or its address')
    .action(
      act(async (session, [node = '']) => {
        const found = await nodeNamed(session, node);
        await showNodes(session, [found]);
      }),
    );
}

function registerList(list: Command, act: Act): void {
  list.command('namespaces').action(act((session) => showNames(session, '/namespaces', 'namespaces')));
  list
    .command('clusters')
    .action(
      act((session) =>
        showNames(session, `/namespaces/${encodeURIComponent(session.namespace)}/clusters`, 'clusters'),
      ),
    );
  list
    .command('shards')
    .action(act(async (session) => showShards(session, (await clusterOf(session)).shards, 0)));
  list
    .command('nodes')
    .action(act(async (session) => showNodes(session, placesOf(await clusterOf(session)))));
}

function registerDelete(remove: Command, act: Act): void {
  remove.command('namespace <name>').action(
    act(async (session, [name = '']) => {
      await session.terminal.confirm(`namespace ${name} is to be forgotten`, name);
      const { data } = await session.client.send('DELETE', `/namespaces/${encodeURIComponent(name)}`);
      await session.output.done(`namespace ${name} is gone`, data, [name]);
    }),
  );
  remove.command('cluster <name>').action(
    act(async (session, [name = '']) => {
      const what = `cluster ${name} is to be forgotten: nobody replaces its masters any more; its nodes and their data stay as they are`;
      await session.terminal.confirm(what, name);
      const { data } = await session.client.send('DELETE', session.path('', name));
      await session.output.done(`cluster ${name} is forgotten; its nodes go on as they were told`, data, [
        name,
      ]);
    }),
  );
  remove.command('shard <index>').action(
    act(async (session, [index = '']) => {
      const shard = shardIndex(index);
      await session.terminal.confirm(
        `shard ${shard} of ${session.cluster} is to be removed, with all its nodes`,
        index,
      );
      const { data } = await session.client.send('DELETE', session.path(`/shards/${shard}`));
      await session.output.done(`shard ${shard} was removed`, data, [index]);
    }),
  );
  remove
    .command('node <node>')
    .description('by its id, the beginning of that, or its address; -s as upstream has it is not needed')
    .action(
      act(async (session, [node = '']) => {
        const { id, addr, shard } = await nodeNamed(session, node);
        await session.terminal.confirm(`node ${addr} is to leave shard ${shard} of ${session.cluster}`, addr);
        const { data } = await session.client.send('DELETE', session.path(`/shards/${shard}/nodes/${id}`));
        await session.output.done(`${addr} was removed from shard ${shard}`, data, [id]);
      }),
    );
}

async function showNames(session: Session, path: string, field: string): Promise<void> {
  const { data } = await session.client.get(path);
  const names = ((data as Record<string, unknown>)[field] ?? []) as readonly string[];
  await session.output.show({
    data,
    items: names,
    names,
    table: () => names.forEach((name) => session.terminal.print(name)),
  });
}

async function showOneCluster(session: Session, name: string | undefined): Promise<void> {
  const { data } = await session.client.get(session.path('', name));
  await showCluster(session, data, (data as { cluster: ClusterBody }).cluster);
}
