/** A shell script that shows, for as long as it runs, that it does. */
export const BEATING = 'while :; do echo >> /share/outgoing/beats; sleep 0.05; done'

/** A shell command that succeeds if no job of the same output directory is beating. */
export const ALONE = 'b=$(wc -l < /share/outgoing/beats); sleep 0.3; [ $b -gt 0 ] && [ $b = $(wc -l < /share/outgoing/beats) ]'
