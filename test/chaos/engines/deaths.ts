import { CASES, type Death } from '../kill-points/suite.ts'
import { sample } from './share.ts'

/** The steps that change the engine or the record. */
const AROUND = [/^create: /, /^commit: /, /^release: /, /^look: /, /^(stop|cancel): /, /^end: /, /^(remove|delete): /, /^(submit: let go|dispatch)/]

/** Some deaths around each step, for engines where a job takes seconds. */
export const aroundEachStep = (): Death[] => AROUND.flatMap((step) => sample(CASES.filter(({ kill }) => step.test(kill))))
