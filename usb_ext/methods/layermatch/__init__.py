"""LayerMatch (Liang et al.): Grad-ReLU (Sec. 4.2.1) and Avg-Clustering (Sec. 4.2.2, Eqs. 7 to 9).

`grad_relu.py` keeps pseudo-label gradients out of the head, `avg_clustering.py` owns the averaged head;
`extension.py` puts both on any base. The forward pass that Grad-ReLU changes is in `step/head_tap.py`.
"""
