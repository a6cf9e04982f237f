"""The programs that composite a scene on a graphics card, in GLSL 3.30.

They give the picture of :mod:`livedream.stage.painting`. The first passes make the layer at working size and
sharpen it, two find its range, four bend it along its contours, and the last one draws the screen, each pixel
once.
"""

from __future__ import annotations

#: A rectangle over the whole target; ``place`` is from the unit square to the screen, with perspective.
VERTEX = """
#version 330
uniform mat3 place;
out vec2 at;
void main() {
    at = vec2(gl_VertexID & 1, gl_VertexID >> 1);
    vec3 there = place * vec3(at, 1.0);
    gl_Position = vec4(there.xy, 0.0, there.z);
}
"""

#: The picture in the drawing area, bent by a mesh, between the corners: :mod:`livedream.stage.projection`.
PROJECTED = """
#version 330
uniform mat3 box;  // from the picture to the drawing area
uniform mat3 place;  // from the drawing area to the screen, with perspective
uniform vec2 points[16];  // of the mesh, row by row
uniform bool bends;
uniform int cells;  // along a side
uniform float margin;
out vec2 at;  // in the picture
out vec2 spot;  // in the drawing area

vec4 basis(float t) {
    t *= 3.0;
    float a = t, b = t - 1.0, c = t - 2.0, d = t - 3.0;
    return vec4(-b * c * d / 6.0, a * c * d / 2.0, -a * b * d / 2.0, a * b * c / 6.0);
}

void main() {
    int cell = gl_VertexID / 6, n = gl_VertexID % 6;
    n = n < 3 ? n : n - 2;  // two triangles share a side
    vec2 unit = vec2(cell % cells + (n & 1), cell / cells + (n >> 1)) / float(cells);
    at = mix(vec2(-margin), vec2(1.0 + margin), unit);
    spot = (box * vec3(at, 1.0)).xy;
    vec2 there = spot;
    if (bends) {
        vec4 across = basis(spot.x), down = basis(spot.y);
        there = vec2(0.0);
        for (int y = 0; y < 4; y++)
            for (int x = 0; x < 4; x++)
                there += down[y] * across[x] * points[4 * y + x];
    }
    vec3 shown = place * vec3(there, 1.0);
    gl_Position = vec4(shown.xy, 0.0, shown.z);
}
"""

#: What several programs have in common.
HEAD = """
#version 330
const vec3 LUMA = vec3(0.299, 0.587, 0.114);

ivec2 inside(ivec2 p, ivec2 size) {  // the border is a mirror
    p = abs(p);
    return clamp(size - 1 - abs(size - 1 - p), ivec2(0), size - 1);
}
vec3 chroma(vec3 colour) {
    return colour - dot(colour, LUMA);
}
"""

#: Bicubic enlarging, as OpenCV does it.
CUBIC = """
vec4 cubic(float t) {  // the weights of four pixels, with OpenCV's a = -0.75
    const float a = -0.75;
    vec4 w;
    w.x = ((a * (t + 1.0) - 5.0 * a) * (t + 1.0) + 8.0 * a) * (t + 1.0) - 4.0 * a;
    w.y = ((a + 2.0) * t - (a + 3.0)) * t * t + 1.0;
    float u = 1.0 - t;
    w.z = ((a + 2.0) * u - (a + 3.0)) * u * u + 1.0;
    w.w = 1.0 - w.x - w.y - w.z;
    return w;
}

vec4 enlarged(sampler2D image, vec2 where) {
    ivec2 last = textureSize(image, 0) - 1;
    vec2 p = where * vec2(last + 1) - 0.5;
    vec2 corner = floor(p);
    vec4 across = cubic(p.x - corner.x), down = cubic(p.y - corner.y);
    vec4 sum = vec4(0.0);
    for (int y = 0; y < 4; y++)
        for (int x = 0; x < 4; x++) {
            ivec2 i = clamp(ivec2(corner) + ivec2(x - 1, y - 1), ivec2(0), last);
            sum += across[x] * down[y] * texelFetch(image, i, 0);
        }
    return sum;
}
"""

#: The residual where things are now, in grey levels: see :meth:`livedream.stage.scene.Dream.layer`.
WARP = (
    HEAD
    + """
uniform sampler2D residual;  // grey levels
uniform sampler2D flow;  // pixels
uniform bool moves;
uniform float feedback;
out vec4 dream;

vec3 texel(ivec2 p) {
    return texelFetch(residual, inside(p, textureSize(residual, 0)), 0).rgb;
}

vec3 linear(vec2 p) {
    vec2 corner = floor(p), part = p - corner;
    ivec2 i = ivec2(corner);
    return mix(mix(texel(i), texel(i + ivec2(1, 0)), part.x),
               mix(texel(i + ivec2(0, 1)), texel(i + ivec2(1, 1)), part.x), part.y);
}

void main() {
    ivec2 here = ivec2(gl_FragCoord.xy);
    vec3 own = texelFetch(residual, here, 0).rgb;
    if (moves)
        own = mix(linear(vec2(here) + texelFetch(flow, here, 0).xy), own, feedback);
    dream = vec4(own, 1.0);
}
"""
)

#: The dream's chroma at half the size, smoothed and held back: see :mod:`livedream.stage.colours`.
TINT = (
    HEAD
    + """
uniform sampler2D dream, under;
uniform float feedback, restraint, gain;
uniform float least;  // levels of chroma
uniform vec3 warm;
uniform vec2 cosines, dark, bright;
uniform float warm_room, noise;
out vec4 tint;

vec3 average(sampler2D image, ivec2 p) {
    p *= 2;
    return (texelFetch(image, p, 0) + texelFetch(image, p + ivec2(1, 0), 0)
          + texelFetch(image, p + ivec2(0, 1), 0) + texelFetch(image, p + ivec2(1, 1), 0)).rgb / 4.0;
}

float room(vec3 seen) {
    vec3 own = chroma(seen);
    float luminance = dot(seen, LUMA), strength = length(own);
    float near = clamp((dot(own, warm) / (strength + noise) - cosines.x) / (cosines.y - cosines.x), 0.0, 1.0);
    float found = least + strength * (1.0 - (1.0 - warm_room) * near);
    found *= clamp(luminance / dark.x, dark.y, 1.0);
    return found * (1.0 - (1.0 - bright.y) * clamp((luminance - bright.x) / (255.0 - bright.x), 0.0, 1.0));
}

void main() {
    ivec2 here = ivec2(gl_FragCoord.xy), size = textureSize(dream, 0) / 2;
    vec3 sum = vec3(0.0);
    for (int y = -1; y <= 1; y++)
        for (int x = -1; x <= 1; x++) {
            ivec2 p = inside(here + ivec2(x, y), size);
            vec3 own = average(dream, p) + 255.0 * feedback * average(under, p);
            sum += own * (2 - abs(x)) * (2 - abs(y)) / 16.0;
        }
    vec3 found = chroma(sum);
    float amount = gain * length(found);
    tint = vec4(found * (1.0 - restraint * amount / (amount + room(255.0 * average(under, here)))), 1.0);
}
"""
)

#: The layer in grey levels, and the camera's weight: see :func:`livedream.stage.look.overlay_of`.
LAYER = (
    HEAD
    + """
uniform sampler2D dream;  // grey levels
uniform sampler2D tint;  // its chroma, at half the size
uniform sampler2D under;  // the camera at working size, 0 to 1
uniform sampler2D mask;
uniform sampler2D wash;  // grey levels
uniform bool masked, washed;
uniform float feedback, saturation, strength, hidden;
out vec4 layer;

vec3 enlarged(vec2 p) {
    ivec2 last = textureSize(tint, 0) - 1;
    p = clamp(p, vec2(0.0), vec2(last));
    vec2 part = p - floor(p);
    ivec2 i = ivec2(p), j = min(i + 1, last);
    return mix(mix(texelFetch(tint, i, 0), texelFetch(tint, ivec2(j.x, i.y), 0), part.x),
               mix(texelFetch(tint, ivec2(i.x, j.y), 0), texelFetch(tint, j, 0), part.x), part.y).rgb;
}

void main() {
    ivec2 here = ivec2(gl_FragCoord.xy);
    vec3 seen = 255.0 * texelFetch(under, here, 0).rgb;
    vec3 colour = enlarged(gl_FragCoord.xy / 2.0 - 0.5) - feedback * chroma(seen);
    float where = masked ? texelFetch(mask, here, 0).r : 1.0;
    float covered = where * hidden;
    vec3 shown = (dot(texelFetch(dream, here, 0).rgb, LUMA) + saturation * colour) * strength * where;
    if (washed)
        shown += texelFetch(wash, here, 0).r;
    layer = vec4(shown + seen * covered, 1.0 - covered);
}
"""
)

#: Unsharp masking with a Gaussian of five by five pixels, whose border is a mirror, within ±255.
SHARPEN = (
    HEAD
    + """
uniform sampler2D layer;
uniform float weights[3];
uniform float amount;
out vec4 sharp;

void main() {
    ivec2 here = ivec2(gl_FragCoord.xy), size = textureSize(layer, 0);
    vec3 blurred = vec3(0.0);
    for (int y = -2; y <= 2; y++)
        for (int x = -2; x <= 2; x++) {
            ivec2 p = inside(here + ivec2(x, y), size);
            blurred += weights[abs(x)] * weights[abs(y)] * texelFetch(layer, p, 0).rgb;
        }
    vec4 own = texelFetch(layer, here, 0);
    sharp = vec4(clamp(own.rgb + amount * (own.rgb - blurred), -255.0, 255.0), own.a);
}
"""
)

#: The least and the greatest value of a texture: of each column at first, then of the row of these.
RANGE = """
#version 330
uniform sampler2D image;
uniform bool columns;
out vec4 range;

void main() {
    ivec2 size = textureSize(image, 0);
    float low = 1e9, high = -1e9;
    for (int i = 0; i < (columns ? size.y : size.x); i++) {
        vec4 texel = texelFetch(image, columns ? ivec2(int(gl_FragCoord.x), i) : ivec2(i, 0), 0);
        low = min(low, columns ? min(texel.r, min(texel.g, texel.b)) : texel.r);
        high = max(high, columns ? max(texel.r, max(texel.g, texel.b)) : texel.g);
    }
    range = vec4(low, high, 0.0, 0.0);
}
"""

#: The picture, as OpenCV has it: the camera averaged when it shrinks and bicubic when it grows, the layer
#: bicubic.
PICTURE = (
    """
#version 330
uniform sampler2D camera;  // 0 to 1
uniform sampler2D layer;  // grey levels, and the camera's weight
uniform sampler2D range;  // of the layer: an enlarged one does not leave it
uniform vec2 size;  // of the picture in pixels
uniform bool mirrored, dreams;
uniform bool warps;
uniform float gamma, brightness, black;
uniform vec4 blend;  // left, right, top and bottom
uniform float blend_gamma;
uniform float ink;  // how far it is a drawing, in tones from the darkest to the lightest
uniform vec3 tones[2];
uniform vec2 tone_limits;
in vec2 at;
in vec2 spot;
out vec4 colour;

float ramp(float away, float width) {
    float t = clamp(away / max(width, 1e-6), 0.0, 1.0);
    return width > 0.0 ? t * t * (3.0 - 2.0 * t) : 1.0;
}

"""
    + CUBIC
    + """
vec4 averaged(sampler2D image, vec2 where) {
    ivec2 full = textureSize(image, 0);
    vec2 scale = vec2(full) / size, middle = where * vec2(full);
    vec2 low = middle - scale / 2.0, high = middle + scale / 2.0;
    vec4 sum = vec4(0.0);
    float total = 0.0;
    for (int y = int(floor(low.y + 1e-3)); y < int(ceil(high.y - 1e-3)); y++)
        for (int x = int(floor(low.x + 1e-3)); x < int(ceil(high.x - 1e-3)); x++) {
            vec2 pixel = vec2(x, y), sides = min(high, pixel + 1.0) - max(low, pixel);
            float part = sides.x * sides.y;
            sum += part * texelFetch(image, clamp(ivec2(x, y), ivec2(0), full - 1), 0);
            total += part;
        }
    return sum / total;
}

void main() {
    vec2 where = vec2(mirrored ? 1.0 - at.x : at.x, at.y);
    ivec2 full = textureSize(camera, 0);
    bool shrinks = full.x > int(size.x) || full.y > int(size.y);
    vec3 seen = clamp((shrinks ? averaged(camera, where) : enlarged(camera, where)).rgb, 0.0, 1.0);
    if (dreams) {
        vec4 dream = enlarged(layer, where);
        vec2 limits = texelFetch(range, ivec2(0), 0).rg;
        dream.rgb = clamp(dream.rgb, limits.x, max(limits.y, limits.x + 255.0));
        seen = clamp(dream.a, 0.0, 1.0) * seen + dream.rgb / 255.0;
    }
    float luminance = dot(clamp(seen, 0.0, 1.0), vec3(0.299, 0.587, 0.114));
    float tone = smoothstep(tone_limits.x, tone_limits.y, luminance);
    seen = mix(clamp(seen, 0.0, 1.0), mix(tones[0], tones[1], tone), ink);
    seen = min(brightness * pow(clamp(seen, 0.0, 1.0), vec3(1.0 / gamma)), 1.0);
    float light = ramp(spot.x, blend.x) * ramp(1.0 - spot.x, blend.y);
    light = pow(light * ramp(spot.y, blend.z) * ramp(1.0 - spot.y, blend.w), 1.0 / blend_gamma);
    float raised = light < 1.0 ? 0.0 : black;
    seen = seen * light * (1.0 - raised) + raised;
    if (warps) {  // its edges are smooth
        vec2 edge = clamp(min(at, 1.0 - at) / max(fwidth(at), 1e-6) + 0.5, 0.0, 1.0);
        seen *= edge.x * edge.y;
    }
    colour = vec4(seen, 1.0);
}
"""
)

#: The overlay, scaled linearly, its edges clamped.
OVERLAY = """
#version 330
uniform sampler2D overlay;
in vec2 at;
out vec4 colour;
void main() {
    colour = texture(overlay, at);
}
"""
