// What is laid over the picture: the slider of cameras, buttons, help.

function makePanel(scene, actions) {
  const slider = element("cameras"), help = element("help"), fly = element("fly");
  slider.max = String(scene.cameras.length - 1);
  element("views").hidden = scene.cameras.length < 2;

  function flies(value) {
    fly.setAttribute("aria-pressed", String(value));
    actions.fly(value);
  }

  function toggleFly() {
    flies(fly.getAttribute("aria-pressed") !== "true");
  }

  function reset() {
    flies(false);
    actions.show(0);
  }

  function toggleHelp(value) {
    help.hidden = value === undefined ? !help.hidden : !value;
  }

  function toggleFull() {
    if (document.fullscreenElement) document.exitFullscreen();
    else if (document.documentElement.requestFullscreen) {
      document.documentElement.requestFullscreen().catch(function () {});
    }
  }

  slider.addEventListener("input", function () { actions.show(Number(slider.value)); });
  element("reset").addEventListener("click", reset);
  fly.addEventListener("click", toggleFly);
  element("full").addEventListener("click", toggleFull);
  element("ask").addEventListener("click", function () { toggleHelp(); });
  help.addEventListener("click", function () { toggleHelp(false); });

  const keys = {
    r: reset, f: toggleFly, h: toggleHelp, "?": toggleHelp,
    Escape: function () { toggleHelp(false); },
    "[": function () { actions.show(Number(slider.value) - 1); },
    "]": function () { actions.show(Number(slider.value) + 1); },
  };
  return {
    key: function (key) {
      const known = keys[key] || keys[key.toLowerCase()];
      if (known) known();
    },
    chose: function (i) {
      slider.value = String(i);
      element("view").textContent = scene.view_name + " " + (i + 1) + " / " + scene.cameras.length;
    },
  };
}
