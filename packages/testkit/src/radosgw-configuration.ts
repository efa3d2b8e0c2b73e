/** The name of each key, then what it may do, as `ceph-authtool` takes it. */
export const KEYS: readonly (readonly [name: string, ...capabilities: string[]])[] = [
  ['mon.', '--cap', 'mon', 'allow *'],
  ['client.admin', '--cap', 'mon', 'allow *', '--cap', 'osd', 'allow *'],
  ['osd.0', '--cap', 'mon', 'allow profile osd', '--cap', 'osd', 'allow *'],
  ['client.rgw.a', '--cap', 'mon', 'allow rw', '--cap', 'osd', 'allow rwx'],
]

/**
 * The settings of a Ceph with one monitor, one disk in memory and one copy of each object. Keys are needed even here:
 * without cephx radosgw waits for ever. The monitor would gather changes of the cluster's map for a second each: with
 * 20 ms the pools of the gateway are there in half of the time.
 */
export function cephConfiguration(place: {
  readonly folder: string
  readonly fsid: string
  readonly monitorPort: number
}): string {
  const { folder, fsid, monitorPort } = place
  return `[global]
fsid = ${fsid}
mon_host = [v2:127.0.0.1:${monitorPort}/0]
mon_initial_members = a
public_addr = 127.0.0.1
public_network = 127.0.0.0/8
keyring = ${folder}/keyring
run_dir = ${folder}
admin_socket = ${folder}/$name.asok
pid_file =
log_file =
log_to_stderr = true
mon_cluster_log_file = ${folder}/cluster.log
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
osd_objectstore = memstore
memstore_device_bytes = 1073741824
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
paxos_propose_interval = 0.02
paxos_min_wait = 0.01
rgw_enable_apis = s3
rgw_thread_pool_size = 32

[mon.a]
mon_data = ${folder}/mon

[osd.0]
osd_data = ${folder}/osd
`
}
