import { describe, expect, it } from 'vitest';

import { classifyErrorReply, connectionFailed, deadlinePassed } from '../../../src/kvrocks/errors.ts';

describe('error replies', () => {
  it.each([
    ['ERR max number of clients reached', 'tooManyClients'],
    ['LOADING kvrocks is restoring the db from backup', 'loading'],
    ["MASTERDOWN Link with MASTER is down and slave-serve-stale-data is set to 'no'.", 'masterDown'],
    ['NOAUTH Authentication required.', 'passwordRequired'],
    ['ERR Invalid password', 'wrongPassword'],
    ['WRONGPASS invalid username-password pair', 'wrongPassword'],
    ['ERR Client sent AUTH, but no password is set', 'passwordNotSet'],
    ['CLUSTERDOWN The cluster is not initialized', 'notInitialized'],
    ['ERR CLUSTERDOWN The cluster is not initialized', 'notInitialized'],
    ['ERR The cluster is not initialized', 'notInitialized'],
    ['ERR Cluster mode is not enabled', 'clusterDisabled'],
    ["ERR unknown command 'CLUSTERX', with args beginning with: 'MYID' ", 'notKvrocks'],
    ['ERR unknown command `CLUSTERX`, with args beginning with: `MYID`', 'notKvrocks'],
    ["ERR unknown command 'clusterx'", 'notKvrocks'],
    ['ERR unknown command `CONFIG`, with args beginning with: `CLUSTERX`', 'refused'],
    ['ERR CLUSTERX command, CLUSTERX VERSION|MYID|SETNODEID|SETNODES|SETSLOT|MIGRATE', 'refused'],
    ['ERR Invalid cluster version', 'invalidVersion'],
    ['Invalid cluster version', 'invalidVersion'],
    ['ERR There is already a migrating job', 'migrationRunning'],
    ["ERR Can't migrate slot which has been migrated", 'alreadyMigrated'],
    ["ERR Can't migrate slot which doesn't belong to me", 'refused'],
    ['CLUSTERDOWN Hash slot not served', 'refused'],
    ['', 'refused'],
  ])('%j is %s', (text, kind) => {
    expect(classifyErrorReply(text)).toEqual({ kind, message: text });
  });

  it('a text that quotes another node is not taken for the own state', () => {
    const text =
      'ERR failed to authenticate on destination node: got -ERR Client sent AUTH, but no password is set';
    expect(classifyErrorReply(text).kind).toBe('refused');
  });
});

describe('socket errors', () => {
  const systemError = (code: string): Error =>
    Object.assign(new Error(`connect ${code} 127.0.0.1:1`), { code });

  it.each([
    ['ECONNREFUSED', 'connectionRefused'],
    ['EHOSTUNREACH', 'unreachable'],
    ['ETIMEDOUT', 'unreachable'],
    ['ECONNRESET', 'unreachable'],
    ['EMFILE', 'ownFault'],
    ['ENFILE', 'ownFault'],
    ['ENETUNREACH', 'ownFault'],
    ['EADDRNOTAVAIL', 'ownFault'],
    ['ENOBUFS', 'ownFault'],
    ['ENOMEM', 'ownFault'],
    ['EPERM', 'ownFault'],
    ['EACCES', 'ownFault'],
  ])('KD2: %s before the connection stands is %s, and nothing was executed', (code, kind) => {
    expect(connectionFailed(systemError(code), false).kind).toBe(kind);
    expect(connectionFailed(systemError(code), true).kind).toBe('connectionLost');
  });

  it('a deadline before the connection stands says that nothing was sent, afterwards nothing', () => {
    expect(deadlinePassed(100, { hasAddress: true }).kind).toBe('unreachable');
    expect(deadlinePassed(100, 'open').kind).toBe('timedOut');
    expect(deadlinePassed(100, { hasAddress: false }).kind).toBe('ownFault');
  });

  it.each([
    [['ECONNREFUSED', 'ECONNREFUSED'], 'connectionRefused'],
    [['ECONNREFUSED', 'ETIMEDOUT'], 'unreachable'],
    [['ENETUNREACH', 'ECONNREFUSED'], 'connectionRefused'],
    [['ENETUNREACH', 'ETIMEDOUT'], 'unreachable'],
    [['ENETUNREACH', 'EADDRNOTAVAIL'], 'ownFault'],
  ])('KD2: a name whose addresses fail with %j is %s, and all reasons are spelled out', (codes, kind) => {
    const failed = connectionFailed(new AggregateError(codes.map(systemError)), false);
    expect(failed.kind).toBe(kind);
    for (const code of codes) expect(failed.message).toContain(code);
  });
});
