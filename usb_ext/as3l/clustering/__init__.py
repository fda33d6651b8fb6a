"""K-means with AS3L's starts, nearest neighbours, and feature fine-tuning (AS3L, Secs. 4.3 and 4.4, Eq. 6).

faiss and scikit-learn search; what is here is what the paper does around them, in blocks of rows.
"""
