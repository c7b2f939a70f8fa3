#!/bin/sh
# A small plugin, to try a job on real files: it measures the brightness of PGM images, and makes black and white of them.
# It needs a POSIX shell and awk, so it runs in the smallest of images, and on the host itself.

usage='usage: brightness [--threshold 128] [--pause 0] INPUT OUTPUT

Of every .pgm image (plain, "P2") in the directory INPUT, writes one in black and white to the directory OUTPUT, and summary.json of all.
  --threshold N   what is at least this bright becomes white: 0 to 255, whatever the own scale of the image
  --pause S       whole seconds between two lines of progress'

fail() { printf 'brightness: %s\n' "$1" >&2; exit 1; }
misuse() { printf 'brightness: %s\n%s\n' "$1" "$usage" >&2; exit 2; }
number() { # name value greatest
  case $2 in '' | *[!0-9]* | ?????*) misuse "--$1 must be a whole number from 0 to $3" ;; esac
  [ "$2" -le "$3" ] || misuse "--$1 must be a whole number from 0 to $3"
}

threshold=128 pause=0
while [ $# -gt 0 ]; do
  case $1 in
    --threshold) number threshold "${2-}" 255; threshold=$2; shift 2 ;;
    --pause) number pause "${2-}" 3600; pause=$2; shift 2 ;;
    --help) printf '%s\n' "$usage"; exit 0 ;;
    -*) misuse "there is no option $1" ;;
    *) break ;;
  esac
done
[ $# -eq 2 ] || misuse 'needs two directories'
input=$1 output=$2
[ -d "$input" ] || fail "there is no directory $input"
mkdir -p "$output" || exit 1
set -- "$input"/*.pgm
[ -e "$1" ] || fail "there is no .pgm image in $input"

# Writes the image in black and white to `out`, what was measured as JSON to `told`, and a line of progress to stdout.
measure='
function fail(why) { printf "brightness: %s: %s\n", name, why >"/dev/stderr"; failed = 1; exit 1 }
function number(text, what, least, most) {
  if (text !~ /^[0-9]+$/ || text + 0 < least || text + 0 > most) fail(what " must be a whole number from " least " to " most)
  return text + 0
}
{ sub(/#.*/, ""); sub(/\r$/, ""); for (i = 1; i <= NF; i++) words[++count] = $i }
END {
  if (failed) exit 1
  if (words[1] != "P2") fail("is no plain PGM image: it does not begin with P2")
  width = number(words[2], "its width", 1, 65535); height = number(words[3], "its height", 1, 65535)
  max = number(words[4], "its greatest value", 1, 65535); pixels = width * height
  if (count - 4 != pixels) fail("has " count - 4 " pixels in place of " pixels)
  printf "P2\n%d %d\n255\n", width, height >out
  least = max; most = sum = white = 0
  for (at = 1; at <= pixels; at++) {
    pixel = number(words[at + 4], "a pixel", 0, max); sum += pixel
    if (pixel < least) least = pixel
    if (pixel > most) most = pixel
    shown = pixel * 255 >= threshold * max ? 255 : 0; white += shown > 0
    printf "%d%s", shown, at % width ? " " : "\n" >out
  }
  mean = sprintf("%.2f", sum / pixels * 255 / max)
  printf "{\"file\": \"%s\", \"width\": %d, \"height\": %d, \"mean\": %s, \"min\": %.2f, \"max\": %.2f, \"white\": %d}", \
    name, width, height, mean, least * 255 / max, most * 255 / max, white >told
  printf "%s: mean %s, %d of %d pixels are white\n", name, mean, white, pixels
}'

echo "$# images, threshold $threshold"
summary=$output/summary.json
printf '{\n  "threshold": %d,\n  "images": [' "$threshold" >"$summary.part"
at=0
for image; do
  sleep "$pause"
  at=$((at + 1)) name=${image##*/}
  line=$(awk -v name="$name" -v threshold="$threshold" -v out="$output/$name" -v told="$summary.one" "$measure" "$image") || exit 1
  [ $at = 1 ] || printf ',' >>"$summary.part"
  { printf '\n    '; cat "$summary.one"; } >>"$summary.part"
  echo "[$at/$#] $line"
done
printf '\n  ]\n}\n' >>"$summary.part"
rm -f "$summary.one"
mv "$summary.part" "$summary"
echo done
