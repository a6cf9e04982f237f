"""Photos of every kind become upright 8-bit RGB images."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from livedream.errors import SourceError
from livedream.frame import MAX_FRAME_BYTES
from livedream.sources.photo import Photo, load_photo


@pytest.fixture
def save(tmp_path):
    def save(image, name="photo.png", **options):
        path = tmp_path / name
        image.save(path, **options)
        return str(path)

    return save


def test_the_same_frame_comes_thirty_times_a_second(save, clock):
    path = save(Image.new("RGB", (20, 10), (10, 20, 30)))
    with Photo(path, clock=clock, sleep=clock.sleep) as photo:
        assert (photo.name, photo.fps, photo.size, photo.frame_count) == ("photo.png", 30.0, (20, 10), 1)
        frames = [next(photo) for _ in range(4)]
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    assert np.diff([frame.time_s for frame in frames]) == pytest.approx([1 / 30] * 3)
    assert frames[3].image[5, 5].tolist() == [10, 20, 30]
    assert list(photo) == []


def test_a_late_consumer_gets_no_burst(save, clock):
    with Photo(save(Image.new("RGB", (20, 10))), clock=clock, sleep=clock.sleep) as photo:
        next(photo)
        clock.now += 0.5
        late = next(photo)
        after = next(photo)
    assert late.time_s == pytest.approx(1000.5)
    assert after.time_s - late.time_s == pytest.approx(1 / 30, abs=1 / 60)


def test_without_loop_it_comes_once(save):
    with Photo(save(Image.new("RGB", (20, 10))), loop=False, realtime=False) as photo:
        assert [frame.time_s for frame in photo] == [0.0]


def test_a_rotated_photo_comes_out_upright(save):
    pixels = np.zeros((10, 20, 3), np.uint8)
    pixels[:, :10] = 200
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90° clockwise
    image = load_photo(save(Image.fromarray(pixels), "turned.png", exif=exif))
    assert image.shape == (20, 10, 3)
    assert image[:10].min() == 200
    assert image[10:].max() == 0


def test_grey_is_three_equal_channels(save):
    image = load_photo(save(Image.new("L", (4, 4), 77)))
    assert image.shape == (4, 4, 3)
    assert (image == 77).all()


def test_sixteen_bit_grey_is_scaled(save):
    image = Image.fromarray(np.array([[0, 128 * 257], [255 * 257, 257]], np.uint16))
    assert load_photo(save(image))[:, :, 0].tolist() == [[0, 128], [255, 1]]


def test_sixteen_bit_colour_is_scaled(tmp_path):
    import cv2

    for name in ("deep.tif", "deep.png"):
        path = tmp_path / name
        cv2.imwrite(str(path), np.full((4, 4, 3), (30 * 257, 20 * 257, 10 * 257), np.uint16))  # BGR
        assert np.abs(load_photo(str(path))[0, 0].astype(int) - [10, 20, 30]).max() <= 1


def test_float_images_are_scaled(save):
    image = Image.fromarray(np.array([[0.0, 0.5], [1.0, 0.25]], np.float32))
    assert load_photo(save(image, "float.tif"))[:, :, 1].tolist() == [[0, 128], [255, 64]]


def test_transparent_parts_become_black(save):
    image = Image.new("RGBA", (4, 4), (200, 100, 50, 0))
    image.putpixel((0, 0), (200, 100, 50, 255))
    image = load_photo(save(image))
    assert image[0, 0].tolist() == [200, 100, 50]
    assert image[1:].max() == 0


def test_a_transparent_palette_and_cmyk(save):
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([9, 9, 9, 200, 0, 0])
    assert load_photo(save(palette, "palette.png", transparency=0))[0, 0].tolist() == [200, 0, 0]
    assert load_photo(save(Image.new("CMYK", (4, 4), (0, 0, 0, 0)), "cmyk.jpg"))[0, 0].min() > 250


def test_more_than_4k_is_scaled_down_and_logged(save, caplog):
    photo = Photo(save(Image.new("RGB", (6000, 5000), (1, 2, 3))))
    image = next(photo).image
    assert image.nbytes <= MAX_FRAME_BYTES
    assert image.shape[1] / image.shape[0] == pytest.approx(6000 / 5000, rel=0.002)
    assert photo.size == (image.shape[1], image.shape[0])
    assert "6000×5000 is larger than 4K" in caplog.text


def test_half_a_photo_is_an_error(tmp_path, save):
    path = save(Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)))
    whole = Path(path).read_bytes()
    for size in (5, 40, len(whole) // 2):
        (tmp_path / "photo.png").write_bytes(whole[:size])
        with pytest.raises(SourceError, match=r"photo '.*photo.png' .*possible: png") as caught:
            load_photo(path)
        assert "\n" not in str(caught.value)
