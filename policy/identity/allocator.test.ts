import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FIRST_CLUSTER_IDENTITY, LOCAL_SCOPE } from '../../model/index.ts';
import { MemoryIdentityAllocator } from './allocator.ts';

test('the same labels have the same number, also when they come back', () => {
  const allocator = new MemoryIdentityAllocator();
  const web = allocator.allocate(['k8s:app=web'], 'cluster');
  const other = allocator.allocate(['k8s:app=db'], 'cluster');
  assert.equal(web, FIRST_CLUSTER_IDENTITY);
  assert.notEqual(other, web);
  if (web !== undefined) allocator.release(web);
  assert.notEqual(allocator.allocate(['k8s:app=new'], 'cluster'), web);
  assert.equal(allocator.allocate(['k8s:app=web'], 'cluster'), web);
});

test('what stands for addresses has numbers of its own', () => {
  const allocator = new MemoryIdentityAllocator();
  assert.equal(allocator.allocate(['cidr:10.0.0.0/8'], 'local'), LOCAL_SCOPE | 1);
  assert.equal(allocator.allocate(['k8s:app=web'], 'cluster'), FIRST_CLUSTER_IDENTITY);
});

test('numbers that were given before are taken over', () => {
  const allocator = new MemoryIdentityAllocator();
  allocator.restore([
    { identity: 700, labels: ['k8s:app=web'] },
    { identity: 701, labels: ['k8s:app=web'] },
    { identity: FIRST_CLUSTER_IDENTITY, labels: ['k8s:app=db'] },
  ]);
  assert.equal(allocator.allocate(['k8s:app=web'], 'cluster'), 700);
  assert.equal(allocator.allocate(['k8s:app=new'], 'cluster'), FIRST_CLUSTER_IDENTITY + 1);
  assert.equal(allocator.allocate(['k8s:app=db'], 'cluster'), FIRST_CLUSTER_IDENTITY);
});

test('once all are given, the one that was released first is given anew; while none is, there is none', () => {
  const allocator = new MemoryIdentityAllocator(FIRST_CLUSTER_IDENTITY + 2);
  const given = ['a', 'b', 'c'].map((label) => allocator.allocate([label], 'cluster') ?? 0);
  assert.equal(allocator.allocate(['d'], 'cluster'), undefined);
  for (const identity of [given[1] ?? 0, given[0] ?? 0]) allocator.release(identity);
  assert.equal(allocator.allocate(['d'], 'cluster'), given[1]);
  assert.equal(allocator.allocate(['a'], 'cluster'), given[0]);
  assert.equal(allocator.allocate(['b'], 'cluster'), undefined);
});
