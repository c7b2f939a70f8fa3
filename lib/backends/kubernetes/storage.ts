import type { Container, Volume, VolumeMount } from '../../engines/kubernetes-objects.ts'
import type { Mount } from '../../jobs/types.ts'
import type { StorageSettings } from '../contract.ts'

const STOREBASE = 'storebase'
/** Where the check sees the storebase. */
const CHECKED_AT = '/storebase'
export const CHECK = 'check-directories'

/**
 * The storebase as one volume. A job's directories are sub-paths of it, which the kubelet resolves itself and keeps inside, whatever
 * symbolic links a job may have left (Kubernetes, "Volumes", subPath).
 */
export function storageVolume({ type, volume, storebase, nfsServer }: StorageSettings): Volume {
  if (type === 'kubernetes_pvc') return { name: STOREBASE, persistentVolumeClaim: { claimName: volume ?? '' } }
  if (type === 'nfs') return { name: STOREBASE, nfs: { server: nfsServer ?? '', path: storebase ?? '' } }
  return { name: STOREBASE, hostPath: { path: storebase ?? '', type: 'Directory' } }
}

export function jobMounts(mounts: readonly Mount[]): VolumeMount[] {
  return mounts.map(({ source, target, readOnly }) => ({
    name: STOREBASE,
    mountPath: target,
    readOnly,
    ...(source === '' || source === '.' ? {} : { subPath: source }),
  }))
}

/** Ends with 1 and the names of the directories that are not there; a kubelet would make them. */
const SCRIPT = `cd ${CHECKED_AT} || exit 1
missing=0
while [ $# -gt 1 ]; do
  [ -d "./$2" ] || { printf "%s: '%s' is not a directory of the storebase\\n" "$1" "$2"; missing=1; }
  shift 2
done
exit $missing`

/** What a container that looks for the directories needs, besides what all containers of the job have. */
export function directoryCheck(image: string, mounts: readonly Mount[]): Container & { words: string[] } {
  return {
    name: CHECK,
    image,
    terminationMessagePolicy: 'FallbackToLogsOnError',
    volumeMounts: [{ name: STOREBASE, mountPath: CHECKED_AT, readOnly: true }],
    words: ['sh', '-c', SCRIPT, 'sh', ...mounts.flatMap(({ field, source }) => [field, source])],
  }
}
