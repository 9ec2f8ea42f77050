"""What `polyfield export --help` says."""

HELP = """\
polyfield export: write what a run has learned for other programs

usage: polyfield export run=RUN format=FORMAT out=FILE [key=value ...]

  run=RUN                the run, or a file of Gaussians in its place
  format=FORMAT          what to write:
    splat                files of Gaussians
    web                  a page that shows the scene in any browser, one file
    mesh                 surfaces as triangles
    pointcloud           points on surfaces, with colours, normals and confidence
    cameras              poses and lenses of the photos
    depth, normal        a picture for each photo
    video                what `polyfield render` shows
  out=FILE               its name says the encoding
  frame=source           source: frame and scale of the data | world: those of the training, +z up
  overwrite=false        whether FILE may be there already
  checkpoint=latest      latest | best | a step
  device=auto            auto | cpu | cuda
  trust=[PACKAGE,...]    packages whose classes the run may name, for fields of your own

format=splat, of a run of field=gaussians: .ply, .compressed.ply, .splat, .spz, .glb, .sog

  degree=N               of the spherical harmonics to keep, 0 to 3; all by default
  keep_transparent=false whether to keep what is never seen: opacities below 1/255

format=web: a page, .html, that opens by a double click and asks nothing of a network: Gaussians, or
the mesh of anything else, with resolution, faces, texture and time as of format=mesh

  degree, keep_transparent as above: without harmonics a page is smaller
  title=TEXT             the name of the run by default
  background=auto        auto (as trained; black for a file) | white | black
  up=auto                of a file: x | y | z | -x | -y | -z, or a direction [x,y,z]; auto is -y

format=mesh, of photos, Gaussians and shapes: .ply, .obj, .glb, .stl, .off

  method=auto            fusion: of the depths that training cameras see | marching: where the
                         density, or the distance, is at a level | poisson: through oriented points.
                         auto is marching of shapes and where a level is given, else fusion
  resolution=256         cells along the longest edge of the region
  level=L                by default 0 of a distance, 0.5 of an occupancy, of a density that of
                         which a hundredth of the scene's diagonal stops half of the light
  time=T                 0 to 1, of a scene that moves
  crop=[x0,y0,z0,x1,y1,z1]  a box in the frame of FILE; by default all that is occupied
  components=0.001       share of the triangles below which a separate part is left out
  watertight=false       whether holes are closed
  faces=N                how many triangles to keep, about; needs polyfield[mesh]
  texture=none           none: colours of vertices | auto | N texels along its longer side: for
                         .glb, .obj and pages, which have it by default, from the views of the
                         training; needs polyfield[mesh]

format=pointcloud, of photos, Gaussians and shapes: .ply, .pcd, .xyz, .npz

  points=200000          how many
  voxel=SIZE             or one for each voxel, its edge in the units of FILE
  views=100              training cameras that look, at most
  time=T                 0 to 1, of a scene that moves
  outliers=false         whether to keep what few views agree on, and what lies apart

format=cameras: .json for transforms.json; a folder for a COLMAP model, cameras.txt in it for text

  data=PATH              where the photos lie now, if they were moved

format=depth and format=normal: a folder

  split=test             train | val | test | all
  scale=1.0              of the photos' size
  encoding=png           png: 16 bits of depth, 8 of normals | npy | tif: float32
                         Depth is along the optical axis, in units of the data; transforms.json in
                         the folder has its scale and the cameras. 0 is unknown.

format=video: .mp4, with path, modes, frames, fps, time, scale, background, data, and of files size,
fov and up, as `polyfield render` has them

Of Gaussians it prints how many there were, were dropped (and why) and written, the size of FILE,
and where up is in it. Those that are not finite or have no rotation are always dropped. The photos
need not be there, but for format=cameras and views of photos in format=video.

examples:
  polyfield export run=runs/first format=splat out=scene.ply
  polyfield export run=runs/first format=splat out=scene.spz checkpoint=best
  polyfield export run=runs/first format=splat out=scene.sog degree=1 overwrite=true
  polyfield export run=runs/first format=web out=scene.html
  polyfield export run=runs/first format=mesh out=scene.ply resolution=512
  polyfield export run=runs/first format=mesh out=scene.glb texture=auto faces=200000
  polyfield export run=runs/first format=pointcloud out=points.ply points=1000000
  polyfield export run=runs/first format=cameras out=sparse/0
  polyfield export run=runs/first format=depth out=depths split=all encoding=npy
  polyfield render run=scene.ply
"""
