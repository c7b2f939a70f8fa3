import type { EngineVersion } from '../../engines/docker-api.ts'
import { podmanFlavour } from '../podman/flavour.ts'
import { dockerFlavour } from './flavour.ts'
import type { Flavour } from './flavour.ts'

const FLAVOURS: Readonly<Record<EngineVersion['product'], Flavour>> = { docker: dockerFlavour, podman: podmanFlavour }

/** How to speak with the engine that answers, whatever the compute's type calls it. */
export const flavourOf = ({ product }: EngineVersion): Flavour => FLAVOURS[product]
