"""Structure from motion: photos or a video into photos with cameras, by COLMAP.

`prepare.prepare` is the way in. `photos` and `video` write upright pictures, `cameras` says which
of them share a camera, `colmap` runs in a process of its own, which `child` starts and watches;
`record` is what a call that was stopped goes on from, `advice` what to do when few photos register.
"""
