/* SPDX-License-Identifier: MIT */
/*
 * For the digests that two Xens' guests compare: the other Xen's frames have other
 * numbers, so a frame counts by the page that it belongs to. A test kernel's file
 * includes it behind the header that defines FRAME and panic().
 */
#ifndef FRAMES_H
#define FRAMES_H

static struct {
	uint64_t frame, tag;
} frames[64];
static uint32_t nr_frames;

/* The frame at that address is known by its tag, which is not 0. */
static void frame_is(uint64_t maddr, uint64_t tag)
{
	if (nr_frames == sizeof(frames) / sizeof(*frames))
		panic("too many frames");
	frames[nr_frames].frame = maddr & FRAME;
	frames[nr_frames++].tag = tag << 40;
}

/* The value with the frame's tag, also if the frame is inverted. */
static uint64_t normal(uint64_t v)
{
	static uint32_t last;
	const uint64_t frame = v & FRAME, inverted = frame ^ FRAME;
	uint32_t i;

	if (!frame || !inverted)
		return v;
	if (frames[last].frame == frame)
		return (v & ~FRAME) | frames[last].tag;
	for (i = 0; i < nr_frames; i++) {
		if (frames[i].frame == frame) {
			last = i;
			return (v & ~FRAME) | frames[i].tag;
		}
		if (frames[i].frame == inverted)
			return (v & ~FRAME) | (frames[i].tag ^ FRAME);
	}
	return v;
}

#endif
